# SPARSEDROP_SANITIZE instruments everything of ours: libraries, tools, plugin
# and unit tests. libMLIR.so stays as Debian built it, so container-overflow
# (which needs both sides instrumented) is switched off by the test driver.
if(SPARSEDROP_SANITIZE)
  add_compile_options(-fsanitize=${SPARSEDROP_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all -fno-sanitize=vptr,function)
  add_link_options(-fsanitize=${SPARSEDROP_SANITIZE})
endif()
