//! Compiles proto/ without protoc, and keeps the descriptors for reflection.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message;

/// Every file of the API, in the order of the way of a signal.
const FILES: [&str; 6] = [
    "foreshift/v1/signal.proto",
    "foreshift/v1/log.proto",
    "foreshift/v1/route_weights.proto",
    "foreshift/v1/prediction.proto",
    "foreshift/v1/status.proto",
    "foreshift/v1/operator.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let include = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo::rerun-if-changed={}", include.display());
    let descriptors = protox::compile(FILES, [&include])?;
    let out = PathBuf::from(env::var("OUT_DIR")?).join("foreshift.v1.descriptors.bin");
    fs::write(out, descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .btree_map(".")
        .compile_fds(descriptors)?;
    Ok(())
}
