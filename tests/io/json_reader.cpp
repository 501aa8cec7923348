#include "io/json_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

JsonReader read(const std::string& text) {
  return JsonReader::parse(text, "file.json");
}

template <typename Read>
std::string complaint(const Read& reading) {
  return thrown<ModelError>([&] { reading(); });
}

TEST(JsonReader, ReturnsValuesOfTheRequestedType) {
  const JsonReader reader = read(R"({"text": "a", "yes": true, "count": -3, "share": 2, "none": null})");
  EXPECT_EQ(reader.get<std::string>("text"), "a");
  EXPECT_TRUE(reader.get<bool>("yes"));
  EXPECT_EQ(reader.get<int>("count"), -3);
  EXPECT_EQ(reader.get<double>("share"), 2.0);
  EXPECT_FALSE(reader.has("none"));
  EXPECT_EQ(reader.get_or("none", 7), 7);
  EXPECT_EQ(reader.get_or("missing", 7), 7);
  EXPECT_EQ(reader.get_in_or<int>("missing", 7, 0, 1), 7) << "a default is not checked";
}

TEST(JsonReader, NeverConvertsTypes) {
  const JsonReader reader = read(R"({"half": 2.5, "yes": true, "one": 1, "large": 3000000000})");
  EXPECT_THAT(complaint([&] { reader.get<int>("half"); }), HasSubstr("a whole number, found 2.5"));
  EXPECT_THAT(complaint([&] { reader.get<int>("yes"); }), HasSubstr("a whole number, found true"));
  EXPECT_THAT(complaint([&] { reader.get<bool>("one"); }), HasSubstr("true or false, found 1"));
  EXPECT_THAT(complaint([&] { reader.get<std::string>("one"); }), HasSubstr("a text, found 1"));
  EXPECT_THAT(complaint([&] { reader.get<int>("large"); }), HasSubstr("of at most 32 bits, found 3000000000"));
  EXPECT_EQ(reader.get<std::int64_t>("large"), 3000000000);
}

TEST(JsonReader, ErrorsNameTheFileAndThePathOfTheField) {
  const JsonReader inner = read(R"({"a": {"b": [{"c": 5}]}})").object("a").objects("b").front();
  EXPECT_EQ(inner.where("c"), "'file.json', a.b[0].c");
  EXPECT_THAT(complaint([&] { inner.get_in<int>("c", 0, 4); }),
              AllOf(HasSubstr("'file.json', a.b[0].c"), HasSubstr("a number from 0 to 4, found 5")));
  EXPECT_THAT(complaint([&] { inner.get<int>("d"); }), HasSubstr("a.b[0].d: expected a value, found nothing"));
}

TEST(JsonReader, ReadsLists) {
  const JsonReader reader = read(R"({"texts": ["a", "b"], "counts": [1, -2], "mixed": [1, "a"]})");
  EXPECT_THAT(reader.texts("texts"), ElementsAre("a", "b"));
  EXPECT_THAT(reader.texts("missing"), IsEmpty());
  EXPECT_THAT(reader.objects("missing"), IsEmpty());
  EXPECT_THAT(reader.whole_numbers("counts"), ElementsAre(1, -2));
  EXPECT_THAT(complaint([&] { reader.texts("mixed"); }), HasSubstr("a list of texts"));
  EXPECT_THAT(complaint([&] { reader.whole_numbers("mixed"); }), HasSubstr("a list of whole numbers"));
  EXPECT_THAT(complaint([&] { reader.whole_numbers("missing"); }), HasSubstr("a list of whole numbers"));
  EXPECT_THAT(complaint([&] { reader.objects("texts"); }), HasSubstr("a list of objects"));
  EXPECT_THAT(complaint([&] { reader.object("texts"); }), HasSubstr("an object"));
}

TEST(JsonReader, NonObjectsAreRefused) {
  EXPECT_THAT(complaint([] { read("{"); }), AllOf(HasSubstr("'file.json'"), HasSubstr("not valid JSON (byte")));
  EXPECT_THAT(complaint([] { read("[1]"); }), HasSubstr("must hold a JSON object"));
  EXPECT_THAT(complaint([] { read(R"({"a": 1, "b": {"a": 2}, "a": 3})"); }), HasSubstr("'a' occurs twice"));
  EXPECT_THAT(complaint([] { read(R"({"a": 1e999})"); }), HasSubstr("out of range"));
  EXPECT_THAT(complaint([] { read(R"({"a": )" + std::string(100'000, '[')); }), HasSubstr("nested too deeply"));
}

}  // namespace
}  // namespace fmboost
