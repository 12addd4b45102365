//! JSON objects of tokens and keys: no member twice, and not deep.
//!
//! Of two members with one name parsers keep the first or the last; a token that has both means one thing here and another
//! elsewhere (RFC 7515 section 4, RFC 7519 section 4).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// No claim that is in use is deeper.
const MAX_DEPTH: u8 = 16;

/// Why a text is not such an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It is no JSON, or no object.
    Malformed,
    Repeated,
    Deep,
}

/// How the visitor tells its two reasons apart from those of the parser. Never shown.
const REPEATED: &str = "identity-client: repeated member";
const DEEP: &str = "identity-client: too deep";

pub(crate) fn object(text: &[u8]) -> Result<Map<String, Value>, Flaw> {
    let mut parser = serde_json::Deserializer::from_slice(text);
    let value = Strict { depth: 0 }.deserialize(&mut parser).map_err(|error| {
        let reason = error.to_string();
        if reason.starts_with(REPEATED) {
            Flaw::Repeated
        } else if reason.starts_with(DEEP) {
            Flaw::Deep
        } else {
            Flaw::Malformed
        }
    })?;
    parser.end().map_err(|_| Flaw::Malformed)?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(Flaw::Malformed),
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth: u8,
}

impl Strict {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(DEEP));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom(REPEATED));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn std_jwt_03_a_member_twice_and_a_deep_value_are_refused() {
        assert_eq!(object(br#"{"a":1,"a":1}"#), Err(Flaw::Repeated));
        assert_eq!(object(br#"{"a":{"b":[{"c":1,"\u0063":2}]}}"#), Err(Flaw::Repeated), "an escape is no other name");
        let deep = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        assert!(object(deep(16).as_bytes()).is_ok());
        assert_eq!(object(deep(17).as_bytes()), Err(Flaw::Deep));
        assert_eq!(object(deep(100_000).as_bytes()), Err(Flaw::Deep));
        for bad in ["", "1", "[]", "null", "{", "{}{}", "{} x", "{\"a\":NaN}", "{'a':1}", "\u{feff}{}"] {
            assert_eq!(object(bad.as_bytes()), Err(Flaw::Malformed), "{bad}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), Err(Flaw::Malformed));
        assert_eq!(object(b"{\"a\":\"\\ud800\"}"), Err(Flaw::Malformed), "half a character");
        assert_eq!(object(br#" {"a":[1,-2,1.5,true,null,"x"],"b":{}} "#).map(|map| map.len()), Ok(2));
    }
}
