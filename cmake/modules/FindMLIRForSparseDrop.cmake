# Finds MLIR 22 and sets what LLVM's CMake modules expect. An embedding project
# that has found MLIR already (and set the two DYLIB variables) skips this.
set(MLIR_LINK_MLIR_DYLIB ON CACHE BOOL "Link libMLIR.so, never the archives")
set(LLVM_LINK_LLVM_DYLIB ON)
if(NOT MLIR_CMAKE_DIR)
  find_package(MLIR REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
endif()
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "SparseDrop needs LLVM and MLIR 22, found "
                      "${LLVM_PACKAGE_VERSION} in ${LLVM_DIR}")
endif()
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")

if(CMAKE_SOURCE_DIR STREQUAL PROJECT_SOURCE_DIR)
  set(LLVM_RUNTIME_OUTPUT_INTDIR ${PROJECT_BINARY_DIR}/bin)
  set(LLVM_LIBRARY_OUTPUT_INTDIR ${PROJECT_BINARY_DIR}/lib)
  set(MLIR_BINARY_DIR ${PROJECT_BINARY_DIR})
  # Debian packages lit as `lit`; LLVMConfig names `llvm-lit`, which is absent.
  find_program(SPARSEDROP_LIT NAMES lit llvm-lit HINTS ${LLVM_TOOLS_BINARY_DIR}
               NO_DEFAULT_PATH)
  set(LLVM_EXTERNAL_LIT ${SPARSEDROP_LIT} CACHE STRING "" FORCE)
  include(TableGen)
  include(AddLLVM)
  include(AddMLIR)
  include(HandleLLVMOptions)
endif()

if(SPARSEDROP_SANITIZE)
  # The sanitizer's runtime is in the executable; shared libraries look it up
  # there.
  foreach(_flags CMAKE_SHARED_LINKER_FLAGS CMAKE_MODULE_LINKER_FLAGS)
    string(REPLACE "-Wl,-z,defs" "" ${_flags} "${${_flags}}")
  endforeach()
endif()

include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
separate_arguments(_sparsedrop_definitions NATIVE_COMMAND "${LLVM_DEFINITIONS}")
add_definitions(${_sparsedrop_definitions})
