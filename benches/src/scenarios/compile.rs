//! What the facade with tokio adds to a program's build.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs, process};

use crate::{Contender, Measure, Plan, Sample, Scenario, Setting, Skipped};

pub(super) const COMPILE: Scenario = Scenario {
    name: "compile",
    about: "a clean debug build of an empty program that depends on it, by one job for each core",
    measure: Measure::Seconds,
    settings: &[Setting::Plain],
    full: Plan { sizes: &[1], rounds: 5 },
    quick: Plan { sizes: &[1], rounds: 1 },
    heap: None,
    expect: |_| 1,
    contenders: |_| both(|project| project.seconds()),
    ..Scenario::TASKS
};

pub(super) const CRATES: Scenario = Scenario {
    name: "crates",
    about: "how many crates a program has that depends on it",
    measure: Measure::Number,
    contenders: |_| both(|project| project.crates()),
    ..COMPILE
};

const TOKIO: &str = r#"tokio = { version = "1", default-features = false, features = ["rt-multi-thread", "time"] }"#;

fn both(measure: fn(&Project) -> Result<f64, Skipped>) -> Vec<Contender> {
    let contender = |name, facade: bool| {
        Contender::new(name, move |_| {
            let value =
                measure(&Project::new(facade).map_err(|error| Skipped(error.to_string()))?)?;
            Ok(Sample { value, sum: 1 })
        })
    };
    vec![contender("tokio", false), contender("anyscope with tokio", true)]
}

/// A program in a folder of its own, with the versions of this workspace.
struct Project {
    folder: PathBuf,
}

impl Project {
    fn new(facade: bool) -> std::io::Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = env::temp_dir().join(format!("anyscope-build-{}-{facade}", process::id()));
        fs::create_dir_all(folder.join("src"))?;
        let ours = match facade {
            true => {
                let path = workspace.join("facade");
                format!("anyscope = {{ path = {path:?}, features = [\"tokio\"] }}\n")
            }
            false => String::new(),
        };
        let manifest = format!(
            "[package]\nname = \"empty\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{TOKIO}\n{ours}"
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        fs::write(folder.join("src/main.rs"), "fn main() {}\n")?;
        fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        Ok(Self { folder })
    }

    fn seconds(&self) -> Result<f64, Skipped> {
        let target = self.folder.join("target");
        let begin = Instant::now();
        self.cargo(&["build", "--offline"])?;
        let seconds = begin.elapsed().as_secs_f64();
        fs::remove_dir_all(target).map_err(|error| Skipped(error.to_string()))?;
        Ok(seconds)
    }

    fn crates(&self) -> Result<f64, Skipped> {
        let tree = self.cargo(&["tree", "--offline", "--prefix", "none", "--format", "{p}"])?;
        Ok(tree.lines().map(|line| line.trim_end_matches(" (*)")).collect::<BTreeSet<_>>().len()
            as f64)
    }

    fn cargo(&self, arguments: &[&str]) -> Result<String, Skipped> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(arguments)
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .output()
            .map_err(|error| Skipped(format!("cargo: {error}")))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(Skipped(String::from_utf8_lossy(&output.stderr).into_owned())),
        }
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}
