#include "replay.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/safetensors.h"

#include "support/temporary_folder.h"

// What the replay promises of itself, whatever the references are.

namespace fmboost::parity {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

fs::path golden(const std::string& name) {
  return fs::path(FMBOOST_TEST_DATA) / "golden" / name;
}

void write_text(const fs::path& file, const std::string& text) {
  std::ofstream(file) << text;
}

// A reference of the project, to be spoiled and written under another name.
struct Copy {
  explicit Copy(const std::string& name) : original(golden(name)), metadata(original.metadata()) {
    for (const auto& [tensor, entry] : original.entries()) {
      tensors[tensor] = original.tensor(tensor).clone();
    }
  }
  Report replay_as(const fs::path& file) const {
    write_safetensors(file, {tensors.begin(), tensors.end()}, metadata);
    return replay(file);
  }

  SafetensorsFile original;
  std::map<std::string, std::string> metadata;
  std::map<std::string, torch::Tensor> tensors;
};

std::string refusal(const fs::path& folder) {
  try {
    reference_entries(folder);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(ReferenceEntries, AMissingFolderIsRefusedByName) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal(folder / "nowhere"), HasSubstr("nowhere"));
}

TEST(ReferenceEntries, AnEmptyFolderIsRefused) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal(folder.path()), HasSubstr("holds no references"));
  write_text(folder / "README.md", "# Nothing here\n");
  EXPECT_THAT(refusal(folder.path()), HasSubstr("holds no references"));
}

TEST(ReferenceEntries, NothingButTheReadmeIsLeftOut) {
  const TemporaryFolder folder;
  for (const char* const name : {"README.md", "ode.safetensors", "notes.txt", ".hidden"}) {
    write_text(folder / name, "");
  }
  fs::create_directory(folder / "more");
  std::vector<std::string> names;
  for (const auto& entry : reference_entries(folder.path())) {
    names.push_back(entry.filename().string());
  }
  EXPECT_THAT(names, testing::ElementsAre(".hidden", "more", "notes.txt", "ode.safetensors"));
}

TEST(Replay, AFolderFails) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "ode");
  EXPECT_THAT(replay(folder / "ode").failures(), Contains(HasSubstr("it is a folder")));
}

TEST(Replay, AForeignFileFails) {
  const TemporaryFolder folder;
  write_text(folder / "notes.txt", "ode");
  write_text(folder / "other.json", "{}");
  EXPECT_THAT(replay(folder / "notes.txt").failures(), Contains(HasSubstr("no kind of reference")));
  EXPECT_THAT(replay(folder / "other.json").failures(), Contains(HasSubstr("no kind of reference")));
  const Copy copy("interpolants.safetensors");
  for (const char* const name : {"vae.safetensors", "odes.safetensors", "samplerddim_epsilon_1.safetensors"}) {
    EXPECT_THAT(copy.replay_as(folder / name).failures(), Contains(HasSubstr("no kind of reference"))) << name;
  }
}

TEST(Replay, ADamagedFileFails) {
  const TemporaryFolder folder;
  write_text(folder / "ode.safetensors", "not tensors");
  write_text(folder / "training_schedules.json", "{");
  EXPECT_FALSE(replay(folder / "ode.safetensors").passed());
  EXPECT_FALSE(replay(folder / "training_schedules.json").passed());
}

TEST(Replay, AFileWithoutAnythingToCompareFails) {
  const TemporaryFolder folder;
  write_text(folder / "training_schedules.json", "{}");
  EXPECT_THAT(replay(folder / "training_schedules.json").failures(), Contains(HasSubstr("nothing to compare")));
  Copy copy("ode.safetensors");
  std::erase_if(copy.tensors, [](const auto& item) { return std::isdigit(item.first[item.first.find('.') + 1]); });
  EXPECT_THAT(copy.replay_as(folder / "ode.safetensors").failures(), Contains(HasSubstr("nothing to compare")));
}

TEST(Replay, AMissingTensorIsNamed) {
  const TemporaryFolder folder;
  Copy copy("sde_euler_sigma.safetensors");
  copy.tensors.erase("output");
  EXPECT_THAT(copy.replay_as(folder / "sde_euler_sigma.safetensors").failures(), Contains(HasSubstr("'output'")));
}

TEST(Replay, MissingMetadataIsNamed) {
  const TemporaryFolder folder;
  Copy network("cfm_unet_plain.safetensors");
  network.metadata.clear();
  EXPECT_THAT(network.replay_as(folder / "cfm_unet_plain.safetensors").failures(), Contains(HasSubstr("'config'")));
  Copy sde("sde_euler_sigma.safetensors");
  sde.metadata.erase("points");
  EXPECT_THAT(sde.replay_as(folder / "sde_euler_sigma.safetensors").failures(), Contains(HasSubstr("'points'")));
}

TEST(Replay, AnUnknownTensorIsNamed) {
  const TemporaryFolder folder;
  for (const char* const name :
       {"cfm_unet_plain.safetensors", "forward_diffusion.safetensors", "interpolants.safetensors", "ode.safetensors",
        "sampler_lcm_epsilon_4.safetensors", "sde_heun_linear.safetensors"}) {
    Copy copy(name);
    copy.tensors["surprise"] = torch::zeros({1});
    EXPECT_THAT(copy.replay_as(folder / name).failures(), Contains(HasSubstr("'surprise'"))) << name;
  }
}

struct Unknown {
  const char* original;
  const char* name;
  const char* named;  ///< what the failure must speak of
};

TEST(Replay, AnUnknownNameWithinAKindIsNamed) {
  const TemporaryFolder folder;
  for (const auto& [original, name, named] : {
           Unknown{"sampler_ddim_epsilon_5.safetensors", "sampler_unipc_epsilon_5.safetensors", "'unipc'"},
           Unknown{"sampler_ddim_epsilon_5.safetensors", "sampler_ddimx_epsilon_5.safetensors", "'ddimx'"},
           Unknown{"sampler_ddim_epsilon_5.safetensors", "sampler_ddim_spiral_epsilon_5.safetensors", "'spiral'"},
           Unknown{"sampler_ddim_epsilon_5.safetensors", "sampler_ddim_karras_epsilon_5.safetensors", "ddim"},
           Unknown{"sampler_ddim_epsilon_5.safetensors", "sampler_ddim_sample_5.safetensors", "PREDICTION"},
           Unknown{"sde_euler_sigma.safetensors", "sde_milstein_sigma.safetensors", "'milstein'"},
           Unknown{"sde_euler_sigma.safetensors", "sde_euler_cubic.safetensors", "'cubic'"},
       }) {
    Copy copy(original);
    copy.metadata.erase("sampler");
    copy.metadata.erase("prediction_type");
    EXPECT_THAT(copy.replay_as(folder / name).failures(), Contains(HasSubstr(named))) << name;
  }
}

TEST(Replay, AnUnknownSamplerInTheMetadataIsNamed) {
  const TemporaryFolder folder;
  Copy copy("sampler_ddim_epsilon_5.safetensors");
  copy.metadata["sampler"] = "unipc";
  EXPECT_THAT(copy.replay_as(folder / "sampler_ddim_epsilon_5.safetensors").failures(), Contains(HasSubstr("'unipc'")));
}

TEST(Replay, AnUnknownSolverPathOrScheduleIsNamed) {
  const TemporaryFolder folder;
  Copy ode("ode.safetensors");
  ode.tensors["leapfrog.5"] = ode.tensors["euler.5"];
  EXPECT_THAT(ode.replay_as(folder / "ode.safetensors").failures(), Contains(HasSubstr("'leapfrog'")));
  Copy paths("interpolants.safetensors");
  paths.tensors["cubic.xt"] = paths.tensors["linear.xt"];
  EXPECT_THAT(paths.replay_as(folder / "interpolants.safetensors").failures(), Contains(HasSubstr("'cubic'")));
  write_text(folder / "training_schedules.json", R"json({"cosine(num_steps=5)": {"0": 1.0}})json");
  EXPECT_THAT(replay(folder / "training_schedules.json").failures(), Contains(HasSubstr("cosine")));
}

bool is_given(const std::string& tensor) {
  return tensor.starts_with("input.") || tensor.starts_with("weight.") || tensor.starts_with("field.") ||
         tensor == "noise" || tensor == "step_noise";
}

// Every result in turn, at its first, middle and last number.
TEST(Replay, APerturbedNumberFailsAtAnyPosition) {
  const TemporaryFolder folder;
  for (const char* const name : {"cfm_unet_plain.safetensors", "forward_diffusion.safetensors",
                                 "interpolants.safetensors", "ode.safetensors", "sampler_lcm_epsilon_4.safetensors",
                                 "sampler_euler_karras_v_prediction_5.safetensors", "sde_heun_linear.safetensors"}) {
    Copy copy(name);
    EXPECT_THAT(copy.replay_as(folder / name).failures(), IsEmpty()) << name;
    for (auto& [tensor, values] : copy.tensors) {
      if (is_given(tensor) || tensor.ends_with(".reverse") || tensor.ends_with(".3") || tensor.ends_with(".5")) {
        continue;
      }
      const bool adaptive = tensor.starts_with("dopri5") || tensor.starts_with("bosh3");
      const double change = values.abs().max().item<double>() * (adaptive ? 0.1 : 3e-4);
      for (const std::int64_t at : {std::int64_t{0}, values.numel() / 2, values.numel() - 1}) {
        const torch::Tensor kept = values.clone();
        values.view({-1})[at] += change;
        EXPECT_THAT(copy.replay_as(folder / name).failures(), Contains(HasSubstr(tensor))) << name << ' ' << at;
        values = kept;
      }
    }
  }
}

TEST(Replay, ANumberThatIsNotFiniteFails) {
  const TemporaryFolder folder;
  Copy copy("sde_heun_linear.safetensors");
  copy.tensors["output"].view({-1})[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(copy.replay_as(folder / "sde_heun_linear.safetensors").failures(), Contains(HasSubstr("not finite")));
}

TEST(Replay, AnotherNumberOfStepsOrDrawsFails) {
  const TemporaryFolder folder;
  Copy copy("sampler_lcm_epsilon_4.safetensors");
  copy.metadata["steps"] = "2";
  EXPECT_THAT(copy.replay_as(folder / "sampler_lcm_epsilon_4.safetensors").failures(),
              testing::AllOf(Contains(HasSubstr("timesteps")), Contains(HasSubstr("samples: there are 2")),
                             Contains(HasSubstr("draws 1 times"))));
  copy.metadata["steps"] = "8";
  EXPECT_THAT(copy.replay_as(folder / "sampler_lcm_epsilon_4.safetensors").failures(),
              Contains(HasSubstr("more often than the 3 times")));
}

TEST(Replay, TheNameStandsInForMissingMetadata) {
  const TemporaryFolder folder;
  Copy copy("sampler_ddim_trailing_v_prediction_5.safetensors");
  std::erase_if(copy.metadata, [](const auto& item) { return item.first != "init_noise_sigma"; });
  EXPECT_THAT(copy.replay_as(folder / "sampler_ddim_trailing_v_prediction_5.safetensors").failures(), IsEmpty());
  EXPECT_THAT(copy.replay_as(folder / "sampler_ddim_v_prediction_5.safetensors").failures(), Not(IsEmpty()));
}

TEST(Replay, SchedulesTakeTheirConstantsFromTheFile) {
  const TemporaryFolder folder;
  const fs::path file = folder / "training_schedules_short.json";
  write_text(file, R"json({"ema_decay(beta=0.6, update_after_step=10, power=1/2)": {"10": 0.0, "14": 0.5, "99": 0.6},
                           "warmup(num_warmup_steps=8) factor": {"2": 0.25, "9": 1.0}})json");
  EXPECT_THAT(replay(file).failures(), IsEmpty());
  write_text(file, R"json({"warmup(num_warmup_steps=8) factor": {"2": 0.2501}})json");
  EXPECT_THAT(replay(file).failures(), Contains(HasSubstr("warmup at 2")));
}

std::vector<std::string> token_failures(const std::string& json) {
  const TemporaryFolder folder;
  write_text(folder / "ids.json", json);
  return replay_token_ids(folder / "ids.json", FMBOOST_CLIP).failures();
}

TEST(ReplayTokenIds, AWrongOrMissingIdFails) {
  EXPECT_THAT(
      token_failures(R"([{"text": "a cat", "ids": [49406, 320, 2369, 49407], "padded": [49406]}])"),
      testing::ElementsAre(HasSubstr("ids of 'a cat': the error"), HasSubstr("padded ids of 'a cat': the shape")));
}

TEST(ReplayTokenIds, FileWithoutATokenListFails) {
  EXPECT_THAT(token_failures(""), Not(IsEmpty()));
  EXPECT_THAT(token_failures("[]"), Contains(HasSubstr("nothing to compare")));
  EXPECT_THAT(token_failures(R"({"text": "a cat"})"), Contains(HasSubstr("a JSON list")));
  EXPECT_THAT(token_failures(R"([{"prompt": "a cat", "ids": [1]}])"), Contains(HasSubstr("text, ids and padded")));
}

}  // namespace
}  // namespace fmboost::parity
