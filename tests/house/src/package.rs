//! What `cargo metadata` says of the packages: where they stand, whom they know.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use serde_json::Value;

/// A package of the workspace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Package {
    /// As in its manifest.
    pub name: String,
    /// Folder from the root, with `/`.
    pub folder: String,
    /// May be empty.
    pub description: String,
    /// Direct dependencies, those for tests included.
    pub dependencies: Vec<Dependency>,
}

/// One line of a manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dependency {
    /// As the registry calls it.
    pub name: String,
    /// For tests only.
    pub dev: bool,
}

/// Where a package stands; lower ones must not know higher ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Belt {
    /// `crates/words`: types and names.
    Words,
    /// `crates/decide`: pure cores.
    Decide,
    /// `crates/act`: shells.
    Act,
    /// `lab`: a failover lab out of the same parts.
    Lab,
    /// `haechi`: the binary.
    Binary,
    /// `bench`, `tests`: they look at the house from outside.
    Outside,
}

impl Package {
    /// Where it stands.
    pub fn belt(&self) -> Belt {
        match self.folder.split('/').collect::<Vec<_>>()[..] {
            ["crates", "words", _] => Belt::Words,
            ["crates", "decide", _] => Belt::Decide,
            ["crates", "act", _] => Belt::Act,
            ["lab"] => Belt::Lab,
            ["haechi"] => Belt::Binary,
            _ => Belt::Outside,
        }
    }

    /// Whether it must stay free of the world: no sockets, no runtime, no clock.
    pub fn is_pure(&self) -> bool {
        matches!(self.belt(), Belt::Words | Belt::Decide)
    }
}

/// All packages of the workspace, and how everything depends on everything.
#[derive(Debug, Default)]
pub struct Packages {
    /// In the order of cargo.
    pub members: Vec<Package>,
    names: BTreeMap<String, String>,
    ids: BTreeMap<String, String>,
    edges: BTreeMap<String, Vec<String>>,
}

impl Packages {
    /// # Errors
    /// Not what cargo prints.
    pub fn parse(metadata: &str, root: &Path) -> Result<Self, String> {
        let metadata: Value = serde_json::from_str(metadata).map_err(|error| error.to_string())?;
        let members: Vec<&str> = items(&metadata["workspace_members"]).filter_map(Value::as_str).collect();
        let mut packages = Self::default();
        for package in items(&metadata["packages"]) {
            let (id, name) = (text(&package["id"]), text(&package["name"]));
            packages.names.insert(id.clone(), name.clone());
            if members.contains(&id.as_str()) {
                packages.ids.insert(name.clone(), id);
                packages.members.push(member(package, name, root));
            }
        }
        for node in items(&metadata["resolve"]["nodes"]) {
            // What a build script uses (a C compiler's driver, for one) is not linked.
            let shipped = items(&node["deps"])
                .filter(|dep| items(&dep["dep_kinds"]).any(|kind| kind["kind"].is_null()));
            packages.edges.insert(text(&node["id"]), shipped.map(|dep| text(&dep["pkg"])).collect());
        }
        if packages.members.is_empty() { Err("cargo names no package".into()) } else { Ok(packages) }
    }

    /// Shortest way of shipped dependencies from a package to one of `wanted`, as names.
    pub fn way_to(&self, from: &str, wanted: &[&str]) -> Option<Vec<String>> {
        let start = self.ids.get(from)?;
        let mut queue = VecDeque::from([vec![start]]);
        let mut seen = vec![start];
        while let Some(way) = queue.pop_front() {
            for next in way.last().and_then(|last| self.edges.get(*last)).into_iter().flatten() {
                let mut way = way.clone();
                way.push(next);
                let name = self.names.get(next)?;
                if wanted.contains(&name.as_str()) {
                    return Some(way.iter().filter_map(|id| self.names.get(*id).cloned()).collect());
                }
                if !seen.contains(&next) {
                    seen.push(next);
                    queue.push_back(way);
                }
            }
        }
        None
    }

    /// The member with this name.
    pub fn member(&self, name: &str) -> Option<&Package> {
        self.members.iter().find(|package| package.name == name)
    }
}

fn member(package: &Value, name: String, root: &Path) -> Package {
    let manifest = text(&package["manifest_path"]);
    let folder = Path::new(&manifest).parent().and_then(|folder| folder.strip_prefix(root).ok());
    let dependencies = items(&package["dependencies"])
        .map(|dependency| Dependency { name: text(&dependency["name"]), dev: dependency["kind"] == "dev" });
    Package {
        name,
        folder: folder.unwrap_or(Path::new("")).to_string_lossy().into_owned(),
        description: text(&package["description"]),
        dependencies: dependencies.collect(),
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// Packages of a workspace at `/w`: `(name, folder, description, dependencies)`; a dependency that is no
    /// member becomes a package of the registry, `dev:` before it marks one for tests, and `build:` one for
    /// its build script.
    pub(crate) fn sample(members: &[(&str, &str, &str, &[&str])]) -> Packages {
        let bare = |name: &str| name.trim_start_matches("dev:").trim_start_matches("build:").to_owned();
        let mut packages = Vec::new();
        let mut nodes = Vec::new();
        for (name, folder, description, dependencies) in members {
            let kind = |name: &str| match name.split_once(':') {
                Some((kind, _)) => json!(kind),
                None => json!(null),
            };
            let lines: Vec<_> =
                dependencies.iter().map(|d| json!({"name": bare(d), "kind": kind(d)})).collect();
            let deps: Vec<_> = dependencies
                .iter()
                .map(|d| json!({"pkg": bare(d), "dep_kinds": [{"kind": kind(d)}]}))
                .collect();
            packages.push(json!({
                "id": name, "name": name, "description": description,
                "manifest_path": format!("/w/{folder}/Cargo.toml"), "dependencies": lines,
            }));
            nodes.push(json!({"id": name, "deps": deps}));
            for other in dependencies.iter().map(|d| bare(d)).filter(|d| !members.iter().any(|m| m.0 == d)) {
                packages.push(json!({"id": other, "name": other, "manifest_path": "/registry/Cargo.toml"}));
            }
        }
        let names: Vec<_> = members.iter().map(|member| member.0).collect();
        let metadata = json!({"packages": packages, "workspace_members": names, "resolve": {"nodes": nodes}});
        Packages::parse(&metadata.to_string(), Path::new("/w")).unwrap()
    }

    #[test]
    fn folders_give_belts() {
        let packages = sample(&[
            ("m", "crates/words/m", "", &[]),
            ("c", "crates/decide/c", "", &["m"]),
            ("s", "crates/act/s", "", &["c", "dev:tokio"]),
            ("l", "lab", "", &[]),
            ("h", "haechi", "", &[]),
            ("t", "tests/house", "", &[]),
        ]);
        let belts: Vec<_> = packages.members.iter().map(Package::belt).collect();
        assert_eq!(belts, [Belt::Words, Belt::Decide, Belt::Act, Belt::Lab, Belt::Binary, Belt::Outside]);
        let shell = packages.member("s").unwrap();
        assert_eq!(shell.dependencies[1], Dependency { name: "tokio".into(), dev: true });
    }

    #[test]
    fn a_way_leads_through_others_but_not_through_tests_or_build_scripts() {
        let b = ("b", "b", "", &["libc", "dev:tokio", "build:rustix"][..]);
        let packages = sample(&[("a", "crates/decide/a", "", &["b"]), b]);
        assert_eq!(packages.way_to("a", &["libc"]).unwrap(), ["a", "b", "libc"]);
        assert_eq!(packages.way_to("a", &["tokio"]), None);
        assert_eq!(packages.way_to("a", &["rustix"]), None);
    }

    #[test]
    fn nonsense_is_no_house() {
        assert!(Packages::parse("{}", Path::new("/")).is_err());
        assert!(Packages::parse("no", Path::new("/")).is_err());
    }
}
