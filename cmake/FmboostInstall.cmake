include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(FMBOOST_LAYER_TARGETS GLOBAL PROPERTY FMBOOST_LAYER_TARGETS)
set_target_properties(fmboost_tool PROPERTIES INSTALL_RPATH "${FMBOOST_TORCH_LIB_DIR}")
install(TARGETS fmboost_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS ${FMBOOST_LAYER_TARGETS} fmboost EXPORT fmboostTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT fmboostTargets NAMESPACE fmboost:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/fmboost)
install(DIRECTORY include/fmboost DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY models/default DESTINATION ${CMAKE_INSTALL_DATADIR}/fmboost/models)
install(DIRECTORY data/clip DESTINATION ${CMAKE_INSTALL_DATADIR}/fmboost/data)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
configure_package_config_file(cmake/fmboostConfig.cmake.in fmboostConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/fmboost)
write_basic_package_version_file(fmboostConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/fmboostConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/fmboostConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/fmboost)
