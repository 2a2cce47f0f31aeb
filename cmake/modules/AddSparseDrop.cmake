# Functions that declare the project's targets.

# add_sparsedrop_library(name sources... [DEPENDS ...] [LINK_LIBS ...] [MLIR_LIBS ...])
#
# A static library of the compiler. LINK_LIBS names ours, MLIR_LIBS upstream's:
# the latter become the one shared libMLIR (see docs/embedding.md for why a
# process must never hold two).
function(add_sparsedrop_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK_LIBS;MLIR_LIBS" ${ARGN})
  add_mlir_library(${name} ${ARG_UNPARSED_ARGUMENTS}
    DISABLE_INSTALL EXCLUDE_FROM_LIBMLIR
    DEPENDS ${ARG_DEPENDS}
    LINK_LIBS PUBLIC ${ARG_LINK_LIBS})
  mlir_target_link_libraries(${name} PUBLIC ${ARG_MLIR_LIBS})
  target_include_directories(${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  sparsedrop_reuse_pch(${name})
  add_library(sparsedrop::${name} ALIAS ${name})
  set_property(GLOBAL APPEND PROPERTY SPARSEDROP_EXPORTS ${name})
endfunction()

# One precompiled header for all files of the compiler; clang only, since only
# clang keeps the template instantiations, where the gain is.
function(sparsedrop_reuse_pch target)
  if(TARGET SparseDropPCH)
    target_precompile_headers(${target} REUSE_FROM SparseDropPCH)
  endif()
endfunction()

# add_sparsedrop_tool(name sources... [NO_INSTALL] [LINK_LIBS ...] [MLIR_LIBS ...])
#
# An executable of the compiler; NO_INSTALL for those that only tests use.
function(add_sparsedrop_tool name)
  cmake_parse_arguments(ARG "NO_INSTALL" "" "LINK_LIBS;MLIR_LIBS" ${ARGN})
  add_llvm_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  llvm_update_compile_flags(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK_LIBS})
  mlir_target_link_libraries(${name} PRIVATE ${ARG_MLIR_LIBS})
  # LLVM's flags say -fPIC already; CMake's -fPIE would not fit the precompiled
  # header.
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  sparsedrop_reuse_pch(${name})
  if(NOT ARG_NO_INSTALL)
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endfunction()
