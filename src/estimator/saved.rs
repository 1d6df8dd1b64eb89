//! A versioned envelope around every fitted model: JSON to read, bytes to store.
//!
//! Loading is data only: the bytes become plain values, the values are checked, then there is a
//! model. Both forms carry a magic word, the format number, the crate version, the kind and layout
//! of the model, the fingerprint of its schema, whether it stores rows of patients, and a CRC-32 of
//! all that and the model.
//!
//! ```text
//! JSON   {"magic":"galen-model","format":1,"crate_version":"0.1.0","crc32":...,
//!         "head":{"kind":...,"layout":1,"schema":"<hex>","contains_training_rows":false,
//!                 "created":null},"model":{...}}
//! bytes  "GALENMDL" | format u16 | n u8 | crate version (n) | crc32 u32 | head length u32
//!        | model length u64 | head | model          (little endian; head and model by postcard)
//! ```
//!
//! The checksum finds accidents, not intent: to know who wrote a file, sign it.

// Outside input is read here: nothing may panic on it.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod finite;
mod limits;

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind, Result};
use crate::estimator::model::Model;
use crate::matrix::Time;

pub use limits::Limits;

/// Number of the envelope format that this crate writes and reads.
pub const FORMAT: u16 = 1;

const JSON_MAGIC: &str = "galen-model";
const BYTES_MAGIC: &[u8] = b"GALENMDL";
const CRATE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A fitted model that can be saved.
///
/// A model is plain data: flat arrays, no nested objects that grow with it, no number that is not
/// finite, no list of values without content. It reads itself through a wire struct with
/// `#[serde(try_from = "Wire")]` and `#[serde(deny_unknown_fields)]`, so that the conversion checks
/// every invariant; the compact form has no field names, hence `skip_serializing_if`, `flatten` and
/// untagged enums are not for models.
pub trait Persist: Serialize + DeserializeOwned + Model {
    /// Kind of the model as files name it, for example `logistic-regression`; never changes.
    const KIND: &'static str;

    /// Layout of the wire struct; rises when a field is added. An older layout is read from JSON,
    /// where serde defaults fill the new fields, and refused from bytes, which have no names.
    const LAYOUT: u16 = 1;

    /// Checks all invariants; asked before saving and after loading.
    ///
    /// # Errors
    /// [`ErrorKind::Saved`], naming the field and what was expected of it.
    fn check(&self) -> Result<()>;
}

/// What both forms say of a model before the model itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    kind: String,
    layout: u16,
    schema: String,
    contains_training_rows: bool,
    created: Option<Time>,
}

/// Read first and leniently, so that a file of another format can be named instead of misread.
#[derive(Deserialize)]
struct Probe<'a> {
    #[serde(default, borrow)]
    magic: Option<Cow<'a, str>>,
    #[serde(default)]
    format: Option<u64>,
    #[serde(default, borrow)]
    crate_version: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonEnvelope<'a> {
    #[serde(borrow)]
    magic: Cow<'a, str>,
    format: u16,
    #[serde(borrow)]
    crate_version: Cow<'a, str>,
    crc32: u32,
    head: Head,
    #[serde(borrow)]
    model: &'a RawValue,
}

/// A fitted model on its way to or from a file.
///
/// Round trips keep every bit of every number in both forms, and saving again gives identical
/// bytes. A model that stores rows of training patients is written only after
/// [`Self::allow_training_rows`]. Cost: linear in the size of the model.
///
/// ```
/// use galen::estimator::{Model, ModelHeader, Persist, Saved};
/// # use galen::estimator::Lineage;
/// # use galen::matrix::{Feature, Schema};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Threshold {
///     header: ModelHeader,
///     at: f64,
/// }
///
/// impl Model for Threshold {
///     fn header(&self) -> &ModelHeader {
///         &self.header
///     }
/// }
///
/// impl Persist for Threshold {
///     const KIND: &'static str = "threshold";
///
///     fn check(&self) -> galen::Result<()> {
///         Ok(()) // one finite number: nothing can contradict
///     }
/// }
///
/// # fn main() -> galen::Result<()> {
/// # let header = ModelHeader {
/// #     estimator: "Threshold".into(),
/// #     crate_version: "0.1.0".into(),
/// #     platform: "any".into(),
/// #     seed: 0,
/// #     schema: Schema::new(vec![Feature::numeric("creatinine").unit("mg/dL")])?,
/// #     positional: false,
/// #     n_rows: 90,
/// #     n_events: None,
/// #     classes: Vec::new(),
/// #     event: None,
/// #     lineage: Lineage::default(),
/// #     contains_training_rows: false,
/// #     row_derived: Vec::new(),
/// # };
/// let saved = Saved::new(Threshold { header, at: 0.1 + 0.2 });
/// let text = saved.to_json()?;
/// assert_eq!(Saved::<Threshold>::from_json(&text)?.model().at, 0.1 + 0.2);
/// assert_eq!(Saved::<Threshold>::from_bytes(&saved.to_bytes()?)?.to_json()?, text);
/// assert!(Saved::<Threshold>::from_json(&text.replace("0.3", "0.4")).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct Saved<M> {
    model: M,
    created: Option<Time>,
    training_rows_allowed: bool,
}

impl<M: Persist> Saved<M> {
    /// Wraps a model.
    pub fn new(model: M) -> Self {
        Self {
            model,
            created: None,
            training_rows_allowed: false,
        }
    }

    /// Records a time of creation; without it a file has none, so that equal models give equal
    /// files.
    #[must_use]
    pub fn created(mut self, at: Time) -> Self {
        self.created = Some(at);
        self
    }

    /// Allows a model to be written although it stores rows of training patients: the file is then
    /// patient data and is to be kept as such.
    #[must_use]
    pub fn allow_training_rows(mut self) -> Self {
        self.training_rows_allowed = true;
        self
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The model by value.
    pub fn into_model(self) -> M {
        self.model
    }

    /// Time of creation, where one was recorded.
    pub fn created_at(&self) -> Option<Time> {
        self.created
    }

    /// Writes JSON on one line.
    ///
    /// # Errors
    /// [`ErrorKind::Disclosure`] for a model that stores rows of training patients and was not
    /// allowed to; [`ErrorKind::Saved`] for a number that is not finite and a broken invariant.
    pub fn to_json(&self) -> Result<String> {
        let head = self.head()?;
        let model = serde_json::value::to_raw_value(&self.model).map_err(|error| json(&error))?;
        let envelope = JsonEnvelope {
            magic: JSON_MAGIC.into(),
            format: FORMAT,
            crate_version: CRATE_VERSION.into(),
            crc32: checksum(CRATE_VERSION, &head, model.get().as_bytes())?,
            head,
            model: &model,
        };
        serde_json::to_string(&envelope).map_err(|error| json(&error).into_error())
    }

    /// Writes the compact form.
    ///
    /// # Errors
    /// As [`Self::to_json`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let head = self.head()?;
        let model = postcard::to_stdvec(&self.model).map_err(postcard_error)?;
        frame(CRATE_VERSION, &head, &model)
    }

    /// Reads JSON under the default limits.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] above the limit; [`ErrorKind::Saved`] for anything that is not a
    /// model of this kind as this crate writes it; both versions are named where they differ.
    pub fn from_json(text: &str) -> Result<Self> {
        Self::from_json_with(text, &Limits::default())
    }

    /// Reads JSON under the given limits.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn from_json_with(text: &str, limits: &Limits) -> Result<Self> {
        limits.check_size(text.len())?;
        limits.check_depth(text)?;
        let probe: Probe<'_> = serde_json::from_str(text).map_err(|error| json(&error))?;
        if probe.magic.as_deref() != Some(JSON_MAGIC) {
            return refuse(format!("not a saved model: no magic word `{JSON_MAGIC}`"));
        }
        let writer = Writer {
            format: probe.format.unwrap_or(0),
            version: plain(probe.crate_version.as_deref().unwrap_or("?")),
        };
        writer.check_format()?;
        let envelope: JsonEnvelope<'_> =
            serde_json::from_str(text).map_err(|error| writer.explain(json(&error)))?;
        let payload = envelope.model.get();
        let expected = checksum(&envelope.crate_version, &envelope.head, payload.as_bytes())?;
        if expected != envelope.crc32 {
            return refuse("checksum differs: the file was changed or cut after it was written");
        }
        check_kind::<M>(&envelope.head, &writer, true)?;
        let model = serde_json::from_str(payload).map_err(|error| writer.explain(json(&error)))?;
        Self::accept(model, &envelope.head)
    }

    /// Reads the compact form under the default limits.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes_with(bytes, &Limits::default())
    }

    /// Reads the compact form under the given limits.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn from_bytes_with(bytes: &[u8], limits: &Limits) -> Result<Self> {
        limits.check_size(bytes.len())?;
        let Some(mut rest) = bytes.strip_prefix(BYTES_MAGIC) else {
            return refuse("not a saved model: no magic word at the start");
        };
        let format = u16::from_le_bytes(array(&mut rest)?);
        let [length] = array(&mut rest)?;
        let version = std::str::from_utf8(take(&mut rest, usize::from(length))?)
            .map_err(|_| saved("the crate version is not text"))?;
        let writer = Writer {
            format: u64::from(format),
            version: plain(version),
        };
        writer.check_format()?;
        let crc32 = u32::from_le_bytes(array(&mut rest)?);
        let head_length = u32::from_le_bytes(array(&mut rest)?);
        let model_length = u64::from_le_bytes(array(&mut rest)?);
        let head = take(&mut rest, size(u64::from(head_length))?)?;
        let payload = take(&mut rest, size(model_length)?)?;
        if !rest.is_empty() {
            return refuse(format!("{} bytes follow the model", rest.len()));
        }
        let head: Head = whole(head).map_err(|why| writer.explain(why))?;
        if checksum(version, &head, payload)? != crc32 {
            return refuse("checksum differs: the file was changed or cut after it was written");
        }
        check_kind::<M>(&head, &writer, false)?;
        let model = whole(payload).map_err(|why| writer.explain(why))?;
        Self::accept(model, &head)
    }

    /// The head of a file, after all that may forbid writing it.
    fn head(&self) -> Result<Head> {
        let header = self.model.header();
        if header.contains_training_rows && !self.training_rows_allowed {
            return Err(ErrorKind::Disclosure(format!(
                "{} stores rows of training patients; `allow_training_rows` writes it nevertheless",
                header.estimator
            ))
            .into());
        }
        finite::check_finite(&self.model).map_err(|error| saved(error.to_string()))?;
        self.model.check()?;
        Ok(Head {
            kind: M::KIND.to_string(),
            layout: M::LAYOUT,
            schema: format!("{:016x}", header.schema.fingerprint()),
            contains_training_rows: header.contains_training_rows,
            created: self.created,
        })
    }

    /// The last gate of loading: the model as a whole, and whether it is the one the head tells of.
    fn accept(model: M, head: &Head) -> Result<Self> {
        finite::check_finite(&model).map_err(|error| saved(error.to_string()))?;
        model.check()?;
        let header = model.header();
        if format!("{:016x}", header.schema.fingerprint()) != head.schema {
            return refuse("the schema of the model is not the one the file announces");
        }
        if header.contains_training_rows != head.contains_training_rows {
            return refuse("`contains_training_rows` of the model and of the file differ");
        }
        Ok(Self {
            model,
            created: head.created,
            // Whoever wrote the file made the choice; saving it again does not ask anew.
            training_rows_allowed: head.contains_training_rows,
        })
    }
}

impl<M: Persist> fmt::Debug for Saved<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saved")
            .field("kind", &M::KIND)
            .field("n_features", &self.model.header().schema.len())
            .field("created", &self.created)
            .field("training_rows_allowed", &self.training_rows_allowed)
            .finish()
    }
}

/// Format and crate version of whoever wrote a file.
struct Writer {
    format: u64,
    version: String,
}

impl Writer {
    fn versions(&self) -> String {
        format!(
            "written by galen {} in format {}, this is galen {CRATE_VERSION} with format {FORMAT}",
            self.version, self.format
        )
    }

    fn check_format(&self) -> Result<()> {
        if self.format == u64::from(FORMAT) {
            return Ok(());
        }
        refuse(format!("unknown format; {}", self.versions()))
    }

    fn explain(&self, why: Refusal) -> Error {
        saved(format!("{}; {}", why.0, self.versions()))
    }
}

/// A reason in words that hold no value of the file.
struct Refusal(String);

impl Refusal {
    fn into_error(self) -> Error {
        saved(self.0)
    }
}

impl From<Refusal> for Error {
    fn from(why: Refusal) -> Self {
        why.into_error()
    }
}

fn saved(why: impl Into<String>) -> Error {
    ErrorKind::Saved(why.into()).into()
}

fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(saved(why))
}

/// Text of a file, short and printable, for a message.
fn plain(text: &str) -> String {
    text.chars()
        .take(48)
        .map(|c| if c.is_ascii_graphic() { c } else { '?' })
        .collect()
}

fn check_kind<M: Persist>(head: &Head, writer: &Writer, has_names: bool) -> Result<()> {
    if head.kind != M::KIND {
        return refuse(format!(
            "a model of kind `{}`, expected `{}`; {}",
            plain(&head.kind),
            M::KIND,
            writer.versions()
        ));
    }
    if head.layout > M::LAYOUT || (head.layout < M::LAYOUT && !has_names) {
        return refuse(format!(
            "layout {} of `{}`, expected {}{}; {}",
            head.layout,
            M::KIND,
            M::LAYOUT,
            if has_names {
                ""
            } else {
                " (older ones load from JSON)"
            },
            writer.versions()
        ));
    }
    Ok(())
}

/// CRC-32 of everything that the envelope says, and of the model as it stands.
fn checksum(version: &str, head: &Head, payload: &[u8]) -> Result<u32> {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&postcard::to_stdvec(&(version, head)).map_err(postcard_error)?);
    crc.update(payload);
    Ok(crc.finalize())
}

fn frame(version: &str, head: &Head, payload: &[u8]) -> Result<Vec<u8>> {
    let too_long = |_| saved("a part of the model is too long for the format");
    let crc32 = checksum(version, head, payload)?;
    let head = postcard::to_stdvec(head).map_err(postcard_error)?;
    Ok([
        BYTES_MAGIC,
        &FORMAT.to_le_bytes(),
        &[u8::try_from(version.len()).map_err(too_long)?],
        version.as_bytes(),
        &crc32.to_le_bytes(),
        &u32::try_from(head.len()).map_err(too_long)?.to_le_bytes(),
        &u64::try_from(payload.len())
            .map_err(too_long)?
            .to_le_bytes(),
        &head,
        payload,
    ]
    .concat())
}

/// The next `length` bytes of `rest`.
fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let Some((taken, left)) = rest.split_at_checked(length) else {
        return refuse("the file ends too early");
    };
    *rest = left;
    Ok(taken)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    take(rest, N)?
        .try_into()
        .map_err(|_| saved("the file ends too early"))
}

fn size(length: u64) -> Result<usize> {
    usize::try_from(length).map_err(|_| saved("the file ends too early"))
}

/// A value that takes up all of `bytes`. Lengths that exceed what is left reserve no memory:
/// postcard then gives no hint, and serde never reserves more than 1 MiB on a hint.
fn whole<T: DeserializeOwned>(bytes: &[u8]) -> std::result::Result<T, Refusal> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(Refusal(format!("{} bytes too many in a part", rest.len()))),
        Err(_) => Err(Refusal(
            "the values do not make up a model of this kind".into(),
        )),
    }
}

fn postcard_error(_: postcard::Error) -> Error {
    saved("the model cannot be written in the compact form")
}

/// What serde says without what it quotes: a quoted value may be patient data.
fn json(error: &serde_json::Error) -> Refusal {
    let text = error.to_string();
    let place = format!("line {}, column {}", error.line(), error.column());
    if !error.is_data() {
        return Refusal(format!("not well-formed JSON at {place}"));
    }
    let quotes_values = [
        "invalid type",
        "invalid value",
        "invalid length",
        "unknown variant",
    ];
    if quotes_values.iter().any(|start| text.starts_with(start)) {
        return Refusal(format!("a value of another type than expected at {place}"));
    }
    Refusal(text.chars().take(300).collect())
}

#[cfg(test)]
#[path = "saved/tests.rs"]
mod tests;
