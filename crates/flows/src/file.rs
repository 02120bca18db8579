//! Files of weights: safetensors with a JSON header.
//!
//! The header is one entry, `fullfield`, of the file's metadata: a JSON object with the fields
//! `kind`, `schema` and whatever the kind of file needs. Any safetensors reader can read the file.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use burn::tensor::Device;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::config::FlowConfig;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::standardiser::Standardiser;
use crate::weights::{Weight, load_weights, named_weights};

const METADATA: &str = "fullfield";

/// A header and named weights.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightFile<H> {
    /// What the weights are of.
    pub header: H,
    /// The weights.
    pub weights: Vec<Weight>,
}

/// The header as it is stored.
#[derive(Serialize, Deserialize)]
struct Envelope<H> {
    kind: String,
    schema: u32,
    header: H,
}

/// The part of the header that decides whether the rest can be understood.
#[derive(Deserialize)]
struct Identity {
    kind: String,
    schema: u32,
}

impl<H: Serialize + DeserializeOwned> WeightFile<H> {
    /// Writes the file under a temporary name in the same folder and renames it, so that there is
    /// never half a file under `path`.
    ///
    /// # Errors
    /// If the folder cannot be written or is full.
    pub fn write(&self, path: &Path, kind: &str, schema: u32) -> Result<()> {
        let file = |source| Error::File { path: path.to_path_buf(), source };
        let format = |reason: String| Error::Format { path: path.to_path_buf(), reason };
        let envelope = Envelope { kind: kind.to_owned(), schema, header: &self.header };
        let header = serde_json::to_string(&envelope).map_err(|error| format(error.to_string()))?;
        let bytes: Vec<(&Weight, Vec<u8>)> = self
            .weights
            .iter()
            .map(|weight| (weight, weight.values.iter().flat_map(|v| v.to_le_bytes()).collect()))
            .collect();
        let views = bytes
            .iter()
            .map(|(weight, bytes)| {
                let view = TensorView::new(Dtype::F32, weight.shape.clone(), bytes);
                Ok((weight.name.as_str(), view.map_err(|error| format(error.to_string()))?))
            })
            .collect::<Result<Vec<_>>>()?;
        let metadata = HashMap::from([(METADATA.to_owned(), header)]);
        let all = safetensors::serialize(views, Some(metadata))
            .map_err(|error| format(error.to_string()))?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(file)?;
        temporary.write_all(&all).map_err(file)?;
        temporary.as_file().sync_all().map_err(file)?;
        temporary.persist(path).map_err(|error| file(error.error))?;
        Ok(())
    }

    /// Reads a file of this kind and of a schema up to `schema`. The weights are in the order of
    /// their names.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, is of another kind or of a later schema.
    pub fn read(path: &Path, kind: &str, schema: u32) -> Result<Self> {
        let bytes = std::fs::read(path)
            .map_err(|source| Error::File { path: path.to_path_buf(), source })?;
        Self::parse(&bytes, kind, schema)
            .map_err(|reason| Error::Format { path: path.to_path_buf(), reason })
    }

    fn parse(bytes: &[u8], kind: &str, schema: u32) -> std::result::Result<Self, String> {
        let damaged = |error: safetensors::SafeTensorError| format!("damaged: {error}");
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let header = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA));
        let header = header.ok_or_else(|| format!("it has no '{METADATA}' header"))?;
        let identity: Identity =
            serde_json::from_str(header).map_err(|error| format!("damaged header: {error}"))?;
        if identity.kind != kind {
            return Err(format!("it holds a {}, not a {kind}", identity.kind));
        }
        if identity.schema > schema {
            let found = identity.schema;
            return Err(format!(
                "it has schema {found}, written by a later version; this one reads up to {schema}"
            ));
        }
        let envelope: Envelope<H> =
            serde_json::from_str(header).map_err(|error| format!("damaged header: {error}"))?;
        let mut weights = tensors
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                if view.dtype() != Dtype::F32 {
                    return Err(format!("weights '{name}' are {:?}, not F32", view.dtype()));
                }
                let values: Vec<f32> = view
                    .data()
                    .chunks_exact(4)
                    .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")))
                    .collect();
                if let Some(bad) = values.iter().find(|value| !value.is_finite()) {
                    return Err(format!("weights '{name}' hold {bad}"));
                }
                Ok(Weight { name, shape: view.shape().to_vec(), values })
            })
            .collect::<std::result::Result<Vec<_>, _>>()?;
        // the library lists tensors in no particular order
        weights.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { header: envelope.header, weights })
    }
}

/// Everything about a flow but its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowDescription {
    /// Its settings.
    pub config: FlowConfig,
    /// Units of the features.
    pub target: Standardiser,
    /// Units of the context.
    pub context: Standardiser,
}

const KIND: &str = "flow";
const SCHEMA: u32 = 1;

impl FlowDescription {
    /// The flow of this description with these weights.
    ///
    /// # Errors
    /// If the description contradicts itself, or a weight is missing, superfluous or of another
    /// shape.
    pub fn with_weights(self, weights: &[Weight], device: &Device) -> Result<Flow> {
        let flow = self.config.init(self.target, self.context, 0, device)?;
        load_weights(flow, weights)
    }
}

impl Flow {
    /// Everything about the flow but its weights.
    #[must_use]
    pub fn description(&self) -> FlowDescription {
        FlowDescription {
            config: self.config().clone(),
            target: self.target().clone(),
            context: self.context().clone(),
        }
    }

    /// Stores the flow: safetensors with a JSON header of settings and units.
    ///
    /// # Errors
    /// If the device fails, or the folder cannot be written or is full.
    pub fn save(&self, path: &Path) -> Result<()> {
        let file = WeightFile { header: self.description(), weights: named_weights(self)? };
        file.write(path, KIND, SCHEMA)
    }

    /// Loads a stored flow; its densities are those it had, to the last bit.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, of another kind or of a later schema.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let WeightFile { header, weights } =
            WeightFile::<FlowDescription>::read(path, KIND, SCHEMA)?;
        header
            .with_weights(&weights, device)
            .map_err(|error| Error::Format { path: path.to_path_buf(), reason: error.to_string() })
    }
}
