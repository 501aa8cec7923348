#pragma once

namespace fmboost::tool {

// Headings of options in help texts.
inline constexpr const char* kPromptGroup = "Prompt";
inline constexpr const char* kSizeGroup = "Size";
inline constexpr const char* kSamplingGroup = "Sampling";
inline constexpr const char* kUpscalingGroup = "Upscaling";
inline constexpr const char* kMeasurementGroup = "Measurement";
inline constexpr const char* kOutputGroup = "Output";
inline constexpr const char* kModelGroup = "Model and device";
inline constexpr const char* kGeneralGroup = "General";  ///< always comes last

}  // namespace fmboost::tool
