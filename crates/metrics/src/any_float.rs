//! Numbers that may be infinite or NaN in text formats, for `#[serde(with = "metrics::any_float")]`.
//!
//! JSON has no such numbers: `serde_json` writes them as `null`, which it does not read back as a
//! number. Here they are the strings `"inf"`, `"-inf"` and `"nan"`; finite numbers are numbers as
//! ever. A `null` is read as NaN. Formats that are not text keep all numbers as they are.

use std::fmt;

use serde::{Deserialize, Deserializer, Serializer, de};

/// Writes a number.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() || !serializer.is_human_readable() {
        return serializer.serialize_f64(*value);
    }
    serializer.serialize_str(match *value {
        f64::INFINITY => "inf",
        f64::NEG_INFINITY => "-inf",
        _ => "nan",
    })
}

/// Reads a number.
///
/// # Errors
/// Those of the deserializer, and when there is something else than a number.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    if deserializer.is_human_readable() {
        deserializer.deserialize_any(AnyFloat)
    } else {
        f64::deserialize(deserializer)
    }
}

struct AnyFloat;

impl de::Visitor<'_> for AnyFloat {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number, \"inf\", \"-inf\" or \"nan\"")
    }

    fn visit_f64<E>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_i64<E>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_u64<E>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_unit<E>(self) -> Result<f64, E> {
        Ok(f64::NAN)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<f64, E> {
        match value {
            "inf" => Ok(f64::INFINITY),
            "-inf" => Ok(f64::NEG_INFINITY),
            "nan" => Ok(f64::NAN),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Row {
        #[serde(with = "super")]
        r_hat: f64,
    }

    #[test]
    fn numbers_that_are_not_finite_survive_json() {
        for (value, text) in [
            (1.5, "1.5"),
            (2.0, "2.0"),
            (f64::INFINITY, "\"inf\""),
            (f64::NEG_INFINITY, "\"-inf\""),
            (f64::NAN, "\"nan\""),
        ] {
            let json = serde_json::to_string(&Row { r_hat: value }).unwrap();
            assert_eq!(json, format!("{{\"r_hat\":{text}}}"));
            let back: Row = serde_json::from_str(&json).unwrap();
            assert!(back.r_hat == value || (back.r_hat.is_nan() && value.is_nan()), "{json}");
        }
        assert_eq!(serde_json::from_str::<Row>("{\"r_hat\":2}").unwrap().r_hat, 2.0);
        assert!(serde_json::from_str::<Row>("{\"r_hat\":null}").unwrap().r_hat.is_nan());
        assert!(serde_json::from_str::<Row>("{\"r_hat\":\"large\"}").is_err());
    }
}
