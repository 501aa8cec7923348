#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/model/manifest.h"

#include "support/thrown.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using nlohmann::json;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

/// A sound manifest with one field made wrong.
struct WrongField {
  const char* pointer;  ///< RFC 6901
  json value;
  const char* where;  ///< how the message names the field
  const char* needed;
};

class Field : public testing::TestWithParam<WrongField> {};

TEST_P(Field, ErrorNamesTheFieldAndTheExpectedValue) {
  json manifest = test::tiny_manifest();
  manifest[json::json_pointer(GetParam().pointer)] = GetParam().value;
  const std::string message = thrown<ModelError>([&] { parse_manifest(manifest.dump(), "dir/bundle.json"); });
  EXPECT_THAT(message, AllOf(HasSubstr("dir/bundle.json"), HasSubstr(GetParam().where), HasSubstr(GetParam().needed)));
}

INSTANTIATE_TEST_SUITE_P(
    OfTheBundle, Field,
    testing::Values(WrongField{"/format", "other", "format", "\"fmboost-bundle\", found \"other\""},
                    WrongField{"/format", nullptr, "format", "\"fmboost-bundle\""},
                    WrongField{"/version", nullptr, "version", "a value"},
                    WrongField{"/version", "1", "version", "a whole number, found \"1\""},
                    WrongField{"/version", 1.5, "version", "a whole number"},
                    WrongField{"/version", true, "version", "a whole number"},
                    WrongField{"/version", 0, "version", "expected 1"},
                    WrongField{"/version", 2, "bundle version 2", "supports 1; a newer fmboost reads it"},
                    WrongField{"/version", 5000000000, "version", "at most 32 bits"},
                    WrongField{"/name", nullptr, "name", "a value"}, WrongField{"/name", 7, "name", "a text"},
                    WrongField{"/license", 7, "license", "a text"}, WrongField{"/source", false, "source", "a text"},
                    WrongField{"/tokenizer", 3, "tokenizer", "an object"},
                    WrongField{"/couplings", 3, "couplings", "a list of objects"},
                    WrongField{"/couplings", json::array({1}), "couplings", "a list of objects"}));

INSTANTIATE_TEST_SUITE_P(
    OfAFile, Field,
    testing::Values(WrongField{"/text_encoder/file", nullptr, "text_encoder.file", "a value"},
                    WrongField{"/text_encoder/file", "", "text_encoder.file", "a path inside"},
                    WrongField{"/text_encoder/file", "/etc/passwd", "text_encoder.file", "a path inside"},
                    WrongField{"/text_encoder/file", "..", "text_encoder.file", "a path inside"},
                    WrongField{"/denoiser/file", "../other/denoiser.pt", "denoiser.file", "a path inside"},
                    WrongField{"/couplings/1/file", "a/../../b", "couplings[1].file", "a path inside"},
                    WrongField{"/tokenizer/words", "/words.json", "tokenizer.words", "a path inside"},
                    WrongField{"/denoiser/backend", nullptr, "denoiser.backend", "a value"},
                    WrongField{"/autoencoder/encoder/backend", "onnx", "autoencoder.encoder.backend", "torchscript"},
                    WrongField{"/denoiser/sha256", "12ab", "denoiser.sha256", "64 lower-case hexadecimal digits"},
                    WrongField{"/denoiser/sha256", std::string(64, 'A'), "denoiser.sha256", "64 lower-case"},
                    WrongField{"/denoiser/sha256", std::string(64, 'g'), "denoiser.sha256", "64 lower-case"},
                    WrongField{"/denoiser/sha256", 12, "denoiser.sha256", "a text"}));

INSTANTIATE_TEST_SUITE_P(
    OfTheText, Field,
    testing::Values(WrongField{"/tokenizer/type", "sentencepiece", "tokenizer.type",
                               "'sentencepiece': use clip-bpe or words"},
                    WrongField{"/tokenizer/type", "clip-bpe", "tokenizer.vocab", "a value"},
                    WrongField{"/tokenizer/max_length", nullptr, "tokenizer.max_length", "a value"},
                    WrongField{"/tokenizer/max_length", 2, "tokenizer.max_length", "from 3 to 4096"},
                    WrongField{"/tokenizer/max_length", 4097, "tokenizer.max_length", "from 3 to 4096, found 4097"},
                    WrongField{"/tokenizer/max_length", 4.5, "tokenizer.max_length", "a whole number"},
                    WrongField{"/tokenizer/pad", "0", "tokenizer.pad", "a whole number"},
                    WrongField{"/tokenizer/pad", 18446744073709551615ULL, "tokenizer.pad", "at most 64 bits"},
                    WrongField{"/tokenizer/null", 1.5, "tokenizer.null", "a whole number"},
                    WrongField{"/text_encoder/width", 0, "text_encoder.width", "from 1 to 65536"},
                    WrongField{"/text_encoder/width", 65537, "text_encoder.width", "from 1 to 65536"}));

INSTANTIATE_TEST_SUITE_P(
    OfTheDenoiser, Field,
    testing::Values(WrongField{"/denoiser/prediction", "sample", "denoiser.prediction", "epsilon or v_prediction"},
                    WrongField{"/denoiser/prediction", nullptr, "denoiser.prediction", "a value"},
                    WrongField{"/denoiser/latent_channels", 0, "denoiser.latent_channels", "from 1 to 4096"},
                    WrongField{"/denoiser/latent_channels", "4", "denoiser.latent_channels", "a whole number"},
                    WrongField{"/denoiser/native_size", 7, "denoiser.native_size", "from 8 to 8192"},
                    WrongField{"/denoiser/native_size", 8193, "denoiser.native_size", "from 8 to 8192"},
                    WrongField{"/denoiser/size_multiple", 0, "denoiser.size_multiple", "from 1 to 1024"},
                    WrongField{"/denoiser/size_multiple", 1025, "denoiser.size_multiple", "from 1 to 1024"},
                    WrongField{"/denoiser/guidance_embedding", 3, "denoiser.guidance_embedding", "from 4 to 4096"},
                    WrongField{"/denoiser/guidance_embedding", true, "denoiser.guidance_embedding", "a whole number"},
                    WrongField{"/denoiser/default_sampler", "plms", "denoiser.default_sampler",
                               "unknown sampler 'plms'"},
                    WrongField{"/denoiser/default_steps", 0, "denoiser.default_steps", "from 1 to 1000"},
                    WrongField{"/denoiser/default_steps", 1001, "denoiser.default_steps", "from 1 to 1000"},
                    WrongField{"/denoiser/default_guidance", -1, "denoiser.default_guidance", "from 0"},
                    WrongField{"/denoiser/default_guidance", "high", "denoiser.default_guidance", "a number"},
                    WrongField{"/denoiser/default_karras", "yes", "denoiser.default_karras", "true or false"},
                    WrongField{"/denoiser/default_karras", true, "denoiser.default_sampler", "not with ddim"}));

INSTANTIATE_TEST_SUITE_P(
    OfTheSchedule, Field,
    testing::Values(WrongField{"/denoiser/schedule", nullptr, "denoiser.schedule", "an object"},
                    WrongField{"/denoiser/schedule/beta_start", 0, "denoiser.schedule", "0 < beta_start"},
                    WrongField{"/denoiser/schedule/beta_start", 0.5, "denoiser.schedule", "beta_start <= beta_end"},
                    WrongField{"/denoiser/schedule/beta_end", 1, "denoiser.schedule", "beta_end < 1"},
                    WrongField{"/denoiser/schedule/beta_end", "1", "denoiser.schedule.beta_end", "a number"},
                    WrongField{"/denoiser/schedule/beta_schedule", "cosine", "denoiser.schedule", "'cosine'"},
                    WrongField{"/denoiser/schedule/train_steps", 1, "denoiser.schedule", "train_steps"},
                    WrongField{"/denoiser/schedule/train_steps", 1000000, "denoiser.schedule", "train_steps"},
                    WrongField{"/denoiser/schedule/train_steps", 10.5, "schedule.train_steps", "a whole number"},
                    WrongField{"/denoiser/schedule/timestep_spacing", "karras", "denoiser.schedule", "'karras'"},
                    WrongField{"/denoiser/schedule/steps_offset", -1, "denoiser.schedule", "steps_offset"},
                    WrongField{"/denoiser/schedule/steps_offset", 1000, "denoiser.schedule", "steps_offset"},
                    WrongField{"/denoiser/schedule/set_alpha_to_one", 1, "schedule.set_alpha_to_one", "true or false"},
                    WrongField{"/denoiser/schedule/original_steps", 0, "denoiser.schedule", "original_steps"},
                    WrongField{"/denoiser/schedule/original_steps", 1001, "denoiser.schedule", "original_steps"},
                    WrongField{"/denoiser/schedule/timestep_scaling", 0, "denoiser.schedule", "timestep_scaling"}));

INSTANTIATE_TEST_SUITE_P(
    OfTheAutoencoder, Field,
    testing::Values(WrongField{"/autoencoder/encoder", nullptr, "autoencoder.encoder", "an object"},
                    WrongField{"/autoencoder/decoder", 5, "autoencoder.decoder", "an object"},
                    WrongField{"/autoencoder/factor", 0, "autoencoder.factor", "from 1 to 64"},
                    WrongField{"/autoencoder/factor", 65, "autoencoder.factor", "from 1 to 64"},
                    WrongField{"/autoencoder/latent_channels", 4097, "autoencoder.latent_channels", "from 1 to 4096"},
                    WrongField{"/autoencoder/scale", 0, "autoencoder.scale", "a number from"},
                    WrongField{"/autoencoder/scale", -0.18215, "autoencoder.scale", "a number from"},
                    WrongField{"/autoencoder/scale", nullptr, "autoencoder.scale", "a value"},
                    WrongField{"/autoencoder/shift", 1e7, "autoencoder.shift", "a number from"}));

INSTANTIATE_TEST_SUITE_P(
    OfACoupling, Field,
    testing::Values(WrongField{"/couplings/0/factor", 1, "couplings[0].factor", "from 2 to 16"},
                    WrongField{"/couplings/1/factor", 17, "couplings[1].factor", "from 2 to 16"},
                    WrongField{"/couplings/1/factor", nullptr, "couplings[1].factor", "a value"},
                    WrongField{"/couplings/0/network", nullptr, "couplings[0].network", "an object"},
                    WrongField{"/couplings/0/network/heads", 4, "couplings[0].network.heads",
                               "not an option of the published network"},
                    WrongField{"/couplings/0/network/num_heads", 2.5, "couplings[0].network", "a whole number"},
                    WrongField{"/couplings/0/path", "vp", "couplings[0].path", "unknown path 'vp'"},
                    WrongField{"/couplings/0/applies_to", "drawn", "couplings[0].applies_to",
                               "any, generated or external"},
                    WrongField{"/couplings/0/upsampling", "cubic", "couplings[0].upsampling", "unknown upsampling"},
                    WrongField{"/couplings/0/solver", "rk5", "couplings[0].solver",
                               "euler, midpoint, rk4, heun3, dopri5, bosh3, sde-euler or sde-heun"},
                    WrongField{"/couplings/0/diffusion_form", "sbdm", "couplings[0].diffusion_form", "'sbdm'"},
                    WrongField{"/couplings/0/diffusion_norm", -1, "couplings[0].diffusion_norm", "from 0"},
                    WrongField{"/couplings/0/steps", 0, "couplings[0].steps", "from 1 to 1000"},
                    WrongField{"/couplings/0/steps", 1001, "couplings[0].steps", "from 1 to 1000"},
                    WrongField{"/couplings/0/noising_step", -2, "couplings[0].noising_step", "from -1 to 999"},
                    WrongField{"/couplings/0/noising_step", 1000, "couplings[0].noising_step", "from -1 to 999"},
                    WrongField{"/couplings/0/start_from_noise", 1, "couplings[0].start_from_noise", "true or false"},
                    WrongField{"/couplings/0/back_projection", 17, "couplings[0].back_projection", "from 0 to 16"},
                    WrongField{"/couplings/0/back_projection", -1, "couplings[0].back_projection", "from 0 to 16"},
                    WrongField{"/couplings/0/noising_step_max", -1, "couplings[0].noising_step_max", "from 0 to 999"},
                    WrongField{"/couplings/0/noising_step_max", 1000, "couplings[0].noising_step_max", "to 999"},
                    WrongField{"/couplings/0/generated_fidelity", 1.1, "couplings[0].generated_fidelity", "0.0 to 1.0"},
                    WrongField{"/couplings/0/generated_fidelity", "1", "couplings[0].generated_fidelity", "a number"}));

INSTANTIATE_TEST_SUITE_P(
    OfTheExamples, Field,
    testing::Values(WrongField{"/examples", "red sky", "examples", "a list of texts"},
                    WrongField{"/examples", json::array({"red sky", 5}), "examples", "a list of texts"},
                    WrongField{"/examples", json::array({"red sky", " "}), "examples", "of one line each"},
                    WrongField{"/examples", json::array({"red\nsky"}), "examples", "of one line each"}));

}  // namespace
}  // namespace fmboost
