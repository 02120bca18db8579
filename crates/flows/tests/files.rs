//! Files of weights that are damaged, foreign, or of another time.

mod support;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use flows::{Error, Flow, FlowConfig, FlowDescription, Weight, WeightFile, named_weights};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use support::flow;

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A good file.
    fn good(&self) -> (PathBuf, Flow) {
        let (path, flow) = (self.path("good.safetensors"), flow(&FlowConfig::affine(3, 2)));
        flow.save(&path).unwrap();
        (path, flow)
    }
}

fn load(path: &Path) -> Result<Flow, Error> {
    Flow::load(path, &Device::flex())
}

/// The message of the error, which must be about the file.
fn refusal(path: &Path) -> String {
    let error = load(path).unwrap_err();
    assert!(matches!(error, Error::Format { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains(path.file_name().unwrap().to_str().unwrap()), "{message}");
    message
}

/// The file with its header, or the bytes of a tensor, changed.
fn rewrite(from: &Path, to: &Path, edit: impl Fn(&mut String, &mut Vec<Weight>)) {
    let bytes = std::fs::read(from).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut header = metadata.metadata().as_ref().unwrap()["fullfield"].clone();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut weights: Vec<Weight> = tensors
        .tensors()
        .into_iter()
        .map(|(name, view)| Weight {
            name,
            shape: view.shape().to_vec(),
            values: view
                .data()
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
                .collect(),
        })
        .collect();
    edit(&mut header, &mut weights);
    let data: Vec<Vec<u8>> = weights
        .iter()
        .map(|weight| weight.values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views = weights.iter().zip(&data).map(|(weight, data)| {
        (&weight.name, TensorView::new(Dtype::F32, weight.shape.clone(), data).unwrap())
    });
    let metadata = HashMap::from([("fullfield".to_owned(), header)]);
    std::fs::write(to, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
}

#[test]
fn a_rewritten_file_is_still_good() {
    let files = Files::new();
    let (good, flow) = files.good();
    let copy = files.path("copy.safetensors");
    rewrite(&good, &copy, |_, _| ());
    assert_eq!(named_weights(&load(&copy).unwrap()).unwrap(), named_weights(&flow).unwrap());
}

#[test]
fn truncated_files() {
    let files = Files::new();
    let (good, _) = files.good();
    let bytes = std::fs::read(good).unwrap();
    let path = files.path("short.safetensors");
    for length in [0, 4, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(refusal(&path).contains("damaged"), "{length} bytes");
    }
}

#[test]
fn corrupted_headers() {
    let files = Files::new();
    let (good, _) = files.good();
    let bytes = std::fs::read(&good).unwrap();
    let path = files.path("bad.safetensors");
    // any byte of the header: an error, or the same flow where the byte does not matter
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for position in (0..8 + header).step_by(7) {
        let mut bytes = bytes.clone();
        bytes[position] ^= 0x15;
        std::fs::write(&path, &bytes).unwrap();
        if let Err(error) = load(&path) {
            assert!(matches!(error, Error::Format { .. }), "byte {position}: {error}");
        }
    }
    std::fs::write(&path, b"not a file of weights at all, but a long enough text").unwrap();
    assert!(refusal(&path).contains("damaged"));
    rewrite(&good, &path, |header, _| *header = header.replace("\"layers\":4", "\"layers\":-4"));
    assert!(refusal(&path).contains("damaged header"));
    rewrite(&good, &path, |header, _| *header = header.replace("\"layers\"", "\"floors\""));
    assert!(refusal(&path).contains("floors"));
    rewrite(&good, &path, |header, _| *header = header.replace("\"layers\":4", "\"layers\":0"));
    assert!(refusal(&path).contains("layers = 0"));
    rewrite(&good, &path, |header, _| {
        *header = header.replacen("\"scale\":[0.5,", "\"scale\":[", 1)
    });
    assert!(refusal(&path).contains("standardiser"));
    rewrite(&good, &path, |header, _| {
        *header = header.replacen("\"scale\":[0.5,", "\"scale\":[-1,", 1)
    });
    assert!(refusal(&path).contains("positive"));
}

#[test]
fn files_of_other_kinds_and_times() {
    let files = Files::new();
    let (good, _) = files.good();
    let path = files.path("other.safetensors");
    rewrite(&good, &path, |header, _| {
        *header = header.replace("\"schema\":1", "\"schema\":2").replace("\"layers\"", "\"new\"");
    });
    let message = refusal(&path);
    assert!(message.contains("schema 2") && message.contains("up to 1"), "{message}");
    rewrite(&good, &path, |header, _| *header = header.replace("\"flow\"", "\"classifier\""));
    assert!(refusal(&path).contains("it holds a classifier, not a flow"));
    let mut weights = named_weights(&flow(&FlowConfig::affine(1, 0))).unwrap();
    weights.sort_by(|a, b| a.name.cmp(&b.name));
    let file = WeightFile { header: 3.0_f64, weights };
    file.write(&path, "something", 7).unwrap();
    assert!(WeightFile::<f64>::read(&path, "something", 7).unwrap() == file);
    assert!(refusal(&path).contains("something"));
    // a file of another program
    let data = 1.0_f32.to_le_bytes();
    let view = TensorView::new(Dtype::F32, vec![1], &data).unwrap();
    std::fs::write(&path, safetensors::serialize([("a", view)], None).unwrap()).unwrap();
    assert!(refusal(&path).contains("header"));
}

#[test]
fn weights_that_do_not_fit() {
    let files = Files::new();
    let (good, _) = files.good();
    let path = files.path("bad.safetensors");
    rewrite(&good, &path, |_, weights| weights[3].values[1] = f32::NAN);
    assert!(refusal(&path).contains("NaN"));
    rewrite(&good, &path, |_, weights| weights[0].values[0] = f32::INFINITY);
    assert!(refusal(&path).contains("inf"));
    rewrite(&good, &path, |_, weights| drop(weights.remove(2)));
    assert!(refusal(&path).contains("missing"));
    rewrite(&good, &path, |_, weights| {
        weights.push(Weight { name: "extra".into(), shape: vec![1], values: vec![0.0] });
    });
    let message = refusal(&path);
    assert!(message.contains("'extra'") && message.contains("no such"), "{message}");
    rewrite(&good, &path, |_, weights| {
        // Turned round, a bias or a square matrix would still fit.
        let oblong = |w: &&mut Weight| w.shape.len() == 2 && w.shape[0] != w.shape[1];
        weights.iter_mut().find(oblong).expect("an oblong matrix").shape.reverse();
    });
    assert!(refusal(&path).contains("shape"));
}

#[test]
fn files_that_cannot_be_read_or_written() {
    let files = Files::new();
    let error = load(&files.path("nowhere.safetensors")).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    let (_, flow) = files.good();
    let error = flow.save(&files.path("no/folder/flow.safetensors")).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    // an existing file is replaced as a whole, and nothing else is left behind
    flow.save(&files.path("good.safetensors")).unwrap();
    assert_eq!(std::fs::read_dir(files.folder.path()).unwrap().count(), 1);
}

#[test]
fn descriptions_make_flows_from_weights_alone() {
    let original = flow(&FlowConfig::spline(2, 1));
    let weights = named_weights(&original).unwrap();
    let description: FlowDescription = original.description();
    let copy = description.with_weights(&weights, &Device::flex()).unwrap();
    let (x, context) = ([0.3, -0.2], [1.0]);
    assert_eq!(
        original.log_prob_of(&x, &context).unwrap(),
        copy.log_prob_of(&x, &context).unwrap()
    );
}
