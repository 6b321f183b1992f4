//! Who is measured: one worker each, started the same way, all alive during the whole run.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use haechi_tests::{Authority, Leaf};

use crate::ports::{Doors, Origin, fill};
use crate::problem::{Outcome, Problem, While};
use crate::process::Program;

/// A proxy that can be measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum)]
pub(crate) enum Contender {
    /// The one that everything is compared with.
    #[value(name = "haproxy")]
    HaProxy,
    /// The other peer.
    Nginx,
    /// Ours.
    Haechi,
}

impl Contender {
    pub(crate) const ALL: [Self; 3] = [Self::HaProxy, Self::Nginx, Self::Haechi];

    /// As people write it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::HaProxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Haechi => "haechi",
        }
    }

    pub(crate) const fn doors(self) -> Doors {
        Doors::new(match self {
            Self::HaProxy => 0,
            Self::Nginx => 1,
            Self::Haechi => 2,
        })
    }

    /// Writes its config into `dir` and says how to start it.
    pub(crate) fn program(self, places: &Places, core: u16) -> Outcome<Program> {
        let dir = &places.work;
        let mut values = [Origin::placeholders(), self.doors().placeholders()].concat();
        values.push(("dir".into(), dir.display().to_string()));
        values.push(("module".into(), places.peers.join("ngx_stream_module.so").display().to_string()));
        let (file, template) = match self {
            Self::HaProxy => ("haproxy.cfg", include_str!("../configs/haproxy.cfg")),
            Self::Nginx => ("nginx.conf", include_str!("../configs/nginx.conf")),
            Self::Haechi => ("haechi.yaml", include_str!("../configs/haechi.yaml")),
        };
        let config = dir.join(file);
        // Certificate and key in one file, which all of them take.
        let secret = dir.join("bench.pem");
        let Leaf { certificate, key } = &places.certificate;
        fs::write(&secret, format!("{certificate}{key}")).while_doing(|| secret.display().to_string())?;
        fs::write(&config, fill(template, &values)).while_doing(|| config.display().to_string())?;
        Ok(match self {
            Self::HaProxy => peer("haproxy", places, core, vec!["-db".into(), "-f".into(), config.into()]),
            Self::Nginx => {
                peer("nginx", places, core, vec!["-p".into(), dir.into(), "-c".into(), config.into()])
            }
            Self::Haechi => haechi("haechi", places, core, vec!["run".into(), "-c".into(), config.into()]),
        })
    }

    /// As it says itself.
    pub(crate) async fn version(self, places: &Places, core: u16) -> Outcome<String> {
        match self {
            Self::HaProxy | Self::Nginx => {
                let file = places.peers.join("versions");
                let text = fs::read_to_string(&file).while_doing(|| file.display().to_string())?;
                let name = self.title().to_ascii_lowercase();
                let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
                line.map(str::to_owned).ok_or_else(|| Problem::new(format!("{}: no {name}", file.display())))
            }
            Self::Haechi => {
                let program = haechi("haechi", places, core, vec!["--version".into()]);
                let said = program.output(Duration::from_secs(5)).await?;
                Ok(said.trim().trim_start_matches("haechi ").to_owned())
            }
        }
    }
}

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// What `peers.sh` unpacked.
    pub(crate) peers: PathBuf,
    /// The binary of haechi.
    pub(crate) haechi: PathBuf,
    /// Configs and logs of this run.
    pub(crate) work: PathBuf,
    /// Who signs for this run, and what every contender shows.
    pub(crate) authority: Arc<Authority>,
    pub(crate) certificate: Leaf,
}

/// haechi with these arguments. Its socket and state go by `instance`, in the work directory: a verb reaches
/// the running one of the same name.
pub(crate) fn haechi(instance: &str, places: &Places, core: u16, args: Vec<OsString>) -> Program {
    let env = vec![
        ("HAECHI_ADMIN_SOCKET".to_owned(), places.work.join(format!("{instance}.sock")).into()),
        ("HAECHI_STATE_DIR".to_owned(), places.work.join(format!("{instance}.state")).into()),
    ];
    Program { name: instance.into(), core, path: places.haechi.clone(), args, env }
}

fn peer(name: &str, places: &Places, core: u16, args: Vec<OsString>) -> Program {
    Program { name: name.into(), core, path: places.peers.join(name), args, env: Vec::new() }
}
