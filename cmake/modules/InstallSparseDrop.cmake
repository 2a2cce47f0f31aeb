# The install tree: headers, libraries and find_package(SparseDrop).
include(CMakePackageConfigHelpers)
set(SPARSEDROP_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/sparsedrop)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/sparsedrop-c
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/sparsedrop
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h" PATTERN "*.td")
install(DIRECTORY ${PROJECT_BINARY_DIR}/include/sparsedrop
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.inc")

get_property(_exports GLOBAL PROPERTY SPARSEDROP_EXPORTS)
install(TARGETS ${_exports} EXPORT SparseDropTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT SparseDropTargets NAMESPACE sparsedrop::
        DESTINATION ${SPARSEDROP_CMAKE_DIR})

configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/SparseDropConfig.cmake.in
  ${PROJECT_BINARY_DIR}/cmake/SparseDropConfig.cmake
  INSTALL_DESTINATION ${SPARSEDROP_CMAKE_DIR})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/cmake/SparseDropConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cmake/SparseDropConfig.cmake
              ${PROJECT_BINARY_DIR}/cmake/SparseDropConfigVersion.cmake
        DESTINATION ${SPARSEDROP_CMAKE_DIR})
