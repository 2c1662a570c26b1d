//! The notebooks run from beginning to end, and what they assert holds.

use std::path::PathBuf;
use std::process::Command;

use foreshift_tests::{binary, workspace};

/// The Python that has what notebooks need.
fn python() -> PathBuf {
    let setup = Command::new(workspace().join("tests/notebooks/setup.sh")).output();
    let setup = setup.expect("bash is there");
    assert!(
        setup.status.success(),
        "{}",
        String::from_utf8_lossy(&setup.stderr)
    );
    String::from_utf8(setup.stdout).expect("a path").trim().into()
}

fn notebook_runs(name: &str) {
    let lab = binary("foreshift-lab");
    let run = Command::new(python())
        .arg(workspace().join("tests/notebooks/run.py"))
        .arg(lab.parent().expect("a folder"))
        .arg(workspace().join("notebooks").join(name))
        .output()
        .expect("python runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn the_notebook_from_incidents_to_a_model_runs() {
    notebook_runs("1-from-incidents-to-a-model.ipynb");
}

#[test]
fn the_notebook_that_takes_a_prediction_apart_runs() {
    notebook_runs("2-why-a-prediction.ipynb");
}

#[test]
fn the_notebook_that_brings_a_lightgbm_model_runs() {
    notebook_runs("3-bring-a-lightgbm-model.ipynb");
}
