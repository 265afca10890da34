//! How values of the wire format are read where serde's own way is too strict or too lax: scalars that YAML takes
//! for numbers, maps that must not name a key twice, lists that may be short forms. Their JSON Schemas are here too.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::{AttachmentEntry, DependencyEntry, EnvValue};

/// A text, or a whole number or truth value as the text that it was written as.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl Visitor<'_> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text (a number with a point has to be quoted)")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

impl<'de> Deserialize<'de> for EnvValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(|text| Self::new(text.0))
    }
}

impl Serialize for EnvValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.reveal())
    }
}

pub(super) fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Text>::deserialize(deserializer)?.map(|text| text.0))
}

pub(super) fn text_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Vec::<Text>::deserialize(deserializer)?.into_iter().map(|text| text.0).collect())
}

pub(super) fn text_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let map: BTreeMap<String, Text> = unique_map(deserializer)?;
    Ok(map.into_iter().map(|(key, text)| (key, text.0)).collect())
}

/// A map in which a key stands once: serde's own takes the last and says nothing.
pub(super) fn unique_map<'de, D, V>(deserializer: D) -> Result<BTreeMap<String, V>, D::Error>
where
    D: Deserializer<'de>,
    V: Deserialize<'de>,
{
    struct MapVisitor<V>(PhantomData<V>);
    impl<'de, V: Deserialize<'de>> Visitor<'de> for MapVisitor<V> {
        type Value = BTreeMap<String, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some(Text(key)) = access.next_key()? {
                if map.contains_key(&key) {
                    return Err(A::Error::custom(format_args!("`{key}` stands here twice")));
                }
                map.insert(key, access.next_value()?);
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(MapVisitor(PhantomData))
}

/// A map of known keys. serde would read a struct from a list too, by the order of its fields.
pub(super) struct Keys<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Keys<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeysVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for KeysVisitor<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(access))
            }
        }
        deserializer.deserialize_map(KeysVisitor(PhantomData)).map(Self)
    }
}

pub(super) fn optional_keys<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Keys<T>>::deserialize(deserializer)?.map(|keys| keys.0))
}

/// A map of maps of known keys.
pub(super) fn entries<'de, D, V>(deserializer: D) -> Result<BTreeMap<String, V>, D::Error>
where
    D: Deserializer<'de>,
    V: Deserialize<'de>,
{
    let map: BTreeMap<String, Keys<V>> = unique_map(deserializer)?;
    Ok(map.into_iter().map(|(key, keys)| (key, keys.0)).collect())
}

/// The words of a command; a text is refused with a way to write it, because where to split it is anybody's guess.
pub(super) fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    struct Words;
    impl<'de> Visitor<'de> for Words {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of words, such as [serve, --port, \"80\"]")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
            let words: Vec<Text> = Vec::deserialize(SeqAccessDeserializer::new(access))?;
            Ok(words.into_iter().map(|word| word.0).collect())
        }
    }
    deserializer.deserialize_seq(Words).map(Some)
}

/// `{name: {condition, restart}}`, or `[name]` for the defaults.
pub(super) fn depends_on<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, DependencyEntry>, D::Error> {
    names_or_entries(deserializer, "a list of container names, or a map such as {db: {condition: healthy}}")
}

/// `{name: {aliases, ipv4_address}}`, or `[name]` for the defaults.
pub(super) fn networks<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, AttachmentEntry>, D::Error> {
    names_or_entries(deserializer, "a list of network names, or a map such as {lan: {ipv4_address: 10.1.0.5}}")
}

fn names_or_entries<'de, D, V>(deserializer: D, expected: &'static str) -> Result<BTreeMap<String, V>, D::Error>
where
    D: Deserializer<'de>,
    V: Deserialize<'de> + Default,
{
    struct NamesOrEntries<V>(&'static str, PhantomData<V>);
    impl<'de, V: Deserialize<'de> + Default> Visitor<'de> for NamesOrEntries<V> {
        type Value = BTreeMap<String, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some(name) = access.next_element::<String>()? {
                if map.contains_key(&name) {
                    return Err(A::Error::custom(format_args!("`{name}` stands here twice")));
                }
                map.insert(name, V::default());
            }
            Ok(map)
        }

        fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
            entries(MapAccessDeserializer::new(access))
        }
    }
    deserializer.deserialize_any(NamesOrEntries(expected, PhantomData))
}

/// A list of words, or a line for the shell as `[CMD-SHELL, line]`.
pub(super) fn shell_or_words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct ShellOrWords;
    impl<'de> Visitor<'de> for ShellOrWords {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a line for the shell, or a list such as [CMD, pg_isready]")
        }

        fn visit_str<E: Error>(self, line: &str) -> Result<Self::Value, E> {
            Ok(vec!["CMD-SHELL".to_owned(), line.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(access))
        }
    }
    deserializer.deserialize_any(ShellOrWords)
}

const SCALAR: [&str; 3] = ["string", "integer", "boolean"];

pub(super) fn text_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string" })
}

pub(super) fn words_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": SCALAR } })
}

pub(super) fn scalar_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": SCALAR })
}

pub(super) fn scalar_list_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": SCALAR } })
}

pub(super) fn scalar_map_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": { "type": SCALAR } })
}

pub(super) fn duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$", "minLength": 2 })
}

pub(super) fn restart_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^(always|unless-stopped|no|on-failure(:[0-9]+)?)$" })
}

pub(super) fn shell_or_words_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
}

pub(super) fn depends_on_schema(generator: &mut SchemaGenerator) -> Schema {
    let entry = generator.subschema_for::<DependencyEntry>();
    json_schema!({ "type": ["array", "object"], "items": { "type": "string" }, "additionalProperties": entry })
}

pub(super) fn networks_schema(generator: &mut SchemaGenerator) -> Schema {
    let entry = generator.subschema_for::<AttachmentEntry>();
    json_schema!({ "type": ["array", "object"], "items": { "type": "string" }, "additionalProperties": entry })
}
