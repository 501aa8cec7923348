include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/fmboost)
get_property(FMBOOST_LAYER_TARGETS GLOBAL PROPERTY FMBOOST_LAYER_TARGETS)

# The program.
set_target_properties(fmboost_tool PROPERTIES INSTALL_RPATH "${FMBOOST_TORCH_LIB_DIR}")
install(TARGETS fmboost_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# The library, its public headers and the files for find_package(fmboost).
install(TARGETS ${FMBOOST_LAYER_TARGETS} fmboost EXPORT fmboostTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT fmboostTargets NAMESPACE fmboost:: DESTINATION ${_config_dir})
install(DIRECTORY include/fmboost DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
configure_package_config_file(cmake/fmboostConfig.cmake.in fmboostConfig.cmake INSTALL_DESTINATION ${_config_dir})
write_basic_package_version_file(fmboostConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/fmboostConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/fmboostConfigVersion.cmake
  cmake/FmboostTorch.cmake
  DESTINATION ${_config_dir})

# What the program reads at run time: the bundled model with its model card, and CLIP's vocabulary.
install(DIRECTORY models/default DESTINATION ${CMAKE_INSTALL_DATADIR}/fmboost/models)
install(DIRECTORY data/clip data/niqe DESTINATION ${CMAKE_INSTALL_DATADIR}/fmboost/data)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
