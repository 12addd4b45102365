//! `application/x-www-form-urlencoded`, as the vendor's SDK writes it.

use bytes::Bytes;
use percent_encoding::utf8_percent_encode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{acs3::RESERVED, error::Error};

/// A buffer of this size is never moved, so no copy of a secret stays behind: a user's token, encoded, and some.
const CAPACITY: usize = 64 * 1024;

/// The parameters of one operation. What is not set is not sent.
#[derive(Default)]
pub(crate) struct Form {
    fields: Vec<(String, Zeroizing<String>)>,
}

impl Form {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), Zeroizing::new(value.to_owned())));
        self
    }

    pub(crate) fn text_if(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    pub(crate) fn secret(self, name: &str, value: &SecretString) -> Self {
        self.text(name, value.expose_secret())
    }

    /// Spelled `True` and `False`, as the vendor's SDK does; whether the service would take another spelling is not documented.
    pub(crate) fn flag(self, name: &str, value: bool) -> Self {
        self.text(name, if value { "True" } else { "False" })
    }

    pub(crate) fn flag_if(self, name: &str, value: Option<bool>) -> Self {
        match value {
            Some(value) => self.flag(name, value),
            None => self,
        }
    }

    /// Lists and objects are compact JSON in one field.
    pub(crate) fn json(mut self, name: &str, value: &impl Serialize) -> Result<Self, Error> {
        let text = serde_json::to_string(value)
            .map_err(|_| Error::invalid(format!("the parameter {name} cannot be written as JSON")))?;
        self.fields.push((name.to_owned(), Zeroizing::new(text)));
        Ok(self)
    }

    /// For the query instead: nothing secret may be in it.
    pub(crate) fn into_pairs(self) -> Vec<(String, String)> {
        self.fields.into_iter().map(|(name, mut value)| (name, std::mem::take(&mut *value))).collect()
    }

    /// The body: sorted by name, a space as `+`. An empty form is an empty body.
    pub(crate) fn encode(mut self) -> Bytes {
        self.fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut body = Zeroizing::new(Vec::with_capacity(CAPACITY));
        for (name, value) in &self.fields {
            if !body.is_empty() {
                body.push(b'&');
            }
            write(&mut body, name);
            body.push(b'=');
            write(&mut body, value);
        }
        Bytes::from_owner(body)
    }
}

fn write(body: &mut Vec<u8>, text: &str) {
    for (index, part) in text.split(' ').enumerate() {
        if index > 0 {
            body.push(b'+');
        }
        for chunk in utf8_percent_encode(part, RESERVED) {
            body.extend_from_slice(chunk.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_recorded_body_is_written_as_it_was_sent() {
        let recorded = include_str!("../../../tests/fixtures/wire/alibaba-agent-identity.jsonl");
        for line in recorded.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let fields = line["form"].as_object().unwrap();
            let form =
                fields.iter().rev().fold(Form::new(), |form, (name, value)| form.text(name, value.as_str().unwrap()));
            assert_eq!(form.encode(), line["request"]["body"].as_str().unwrap().as_bytes(), "{}", line["id"]);
        }
    }

    #[test]
    fn lists_are_compact_json_and_flags_are_capitalised() {
        let form = Form::new().json("S", &["a b", "ä"]).unwrap().flag("F", true).flag_if("G", None).text_if("T", None);
        assert_eq!(form.encode(), "F=True&S=%5B%22a+b%22%2C%22%C3%A4%22%5D".as_bytes());
        assert_eq!(Form::new().json("L", &Vec::<String>::new()).unwrap().encode(), "L=%5B%5D".as_bytes());
    }
}
