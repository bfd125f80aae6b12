//! `cargo xtask capi`: libbpf's files from `oxbpf-capi`.
//!
//! The crate becomes a static library. A shared one is linked from it with a version script, and an archive that
//! exports nothing but libbpf's functions; both from the table `abi/symbols.tsv`. With them go the pkg-config
//! file and the headers. Tools: `cc`, `ld`, `objcopy`, `ar`, or what `CC`, `LD`, `OBJCOPY` and `AR` name.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cargo, output, root, run, target_dir};

/// The release of libbpf whose interface this is.
const VERSION: &str = "1.8.0";
const SONAME: &str = "libbpf.so.1";

/// One exported function.
#[derive(Debug)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Its version node.
    pub node: String,
    /// The header that declares it.
    pub header: String,
    /// C's declaration.
    pub declaration: String,
}

/// The table of what libbpf exports.
///
/// # Errors
/// If the file can't be read or a row is incomplete.
pub fn symbols() -> Result<Vec<Symbol>> {
    let path = root().join("crates/oxbpf-capi/abi/symbols.tsv");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let row = |line: &str| -> Result<Symbol> {
        let mut columns = line.split('\t').map(str::to_owned);
        let mut next = || columns.next().with_context(|| format!("incomplete: {line}"));
        Ok(Symbol { name: next()?, node: next()?, header: next()?, declaration: next()? })
    };
    text.lines().skip(1).map(row).collect()
}

/// Names of the table that are not there yet.
///
/// # Errors
/// If the file can't be read.
pub fn missing() -> Result<BTreeSet<String>> {
    let path = root().join("crates/oxbpf-capi/abi/missing.txt");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).map(str::to_owned).collect())
}

/// The linker's version script: each node after the one before it, nothing else exported.
pub fn version_script(symbols: &[Symbol]) -> String {
    let number = |node: &str| -> Vec<u32> {
        node.trim_start_matches("LIBBPF_").split('.').map(|part| part.parse().unwrap_or(0)).collect()
    };
    let mut nodes: Vec<&str> = symbols.iter().map(|s| s.node.as_str()).collect();
    nodes.sort_by_key(|node| number(node));
    nodes.dedup();
    let mut script = String::new();
    let mut before = String::new();
    for node in nodes {
        let _ = writeln!(script, "{node} {{\n\tglobal:");
        for symbol in symbols.iter().filter(|s| s.node == node) {
            let _ = writeln!(script, "\t\t{};", symbol.name);
        }
        if before.is_empty() {
            script.push_str("\tlocal:\n\t\t*;\n");
        }
        let _ = writeln!(script, "}}{before};\n");
        before = format!(" {node}");
    }
    script
}

/// Where files go, and what the pkg-config file says.
#[derive(Debug)]
struct Places {
    destdir: PathBuf,
    prefix: PathBuf,
    libdir: PathBuf,
}

impl Places {
    fn of(args: &[String]) -> Result<Self> {
        let value = |name: &str| -> Result<Option<PathBuf>> {
            let Some(at) = args.iter().position(|a| a == name) else { return Ok(None) };
            let value = args.get(at + 1).with_context(|| format!("{name} needs a value"))?;
            Ok(Some(std::path::absolute(value)?))
        };
        let known = ["--out", "--destdir", "--prefix", "--libdir"];
        if let Some(odd) = args.iter().step_by(2).find(|a| !known.contains(&a.as_str())) {
            bail!("unknown option {odd}: {}", known.join(", "));
        }
        let prefix = match (value("--out")?, value("--prefix")?) {
            (Some(_), Some(_)) => bail!("--out is a --prefix for trying things out; give one of them"),
            (Some(dir), None) | (None, Some(dir)) => dir,
            (None, None) => bail!("where to? Give --out DIR, or --prefix DIR with --destdir"),
        };
        let destdir = match value("--destdir")? {
            Some(dir) => dir,
            None => std::env::var_os("DESTDIR").map(PathBuf::from).unwrap_or_default(),
        };
        let libdir = value("--libdir")?.unwrap_or_else(|| prefix.join("lib"));
        Ok(Self { destdir, prefix, libdir })
    }

    fn real(&self, path: &Path) -> PathBuf {
        if self.destdir.as_os_str().is_empty() {
            return path.to_path_buf();
        }
        self.destdir.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// Builds and installs.
///
/// # Errors
/// If a tool fails, or the functions that the library has are not those of the table.
pub fn main(args: &[String]) -> Result<()> {
    let places = Places::of(args)?;
    let (symbols, missing) = (symbols()?, missing()?);
    let symbols: Vec<Symbol> = symbols.into_iter().filter(|s| !missing.contains(&s.name)).collect();
    let work = target_dir()?.join("capi-link");
    std::fs::create_dir_all(&work)?;
    let archive = compile()?;

    let script = work.join("libbpf.map");
    std::fs::write(&script, version_script(&symbols))?;
    let names = work.join("names.txt");
    let list: String = symbols.iter().map(|s| format!("{}\n", s.name)).collect();
    std::fs::write(&names, list)?;

    let so = link_shared(&archive, &script, &work)?;
    let a = link_static(&archive, &symbols, &names, &work)?;
    check_exports(&so, &symbols)?;
    install(&places, &so, &a)
}

/// The static library, with paths of this machine taken out.
fn compile() -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    for (from, to) in [(home.as_deref(), "cargo"), (Some(root().as_path()), "oxbpf")] {
        if let Some(from) = from {
            let _ = write!(flags, " --remap-path-prefix={}={to}", from.display());
        }
    }
    let mut cmd = cargo();
    cmd.args(["rustc", "-p", "oxbpf-capi", "--lib", "--profile", "capi", "--crate-type", "staticlib"]);
    run(cmd.env("RUSTFLAGS", flags.trim()).env_remove("CARGO_PROFILE_DEV_DEBUG"))?;
    Ok(target_dir()?.join("capi/liboxbpf_capi.a"))
}

fn tool(variable: &str, default: &str) -> Command {
    Command::new(std::env::var_os(variable).unwrap_or_else(|| default.into()))
}

fn link_shared(archive: &Path, script: &Path, work: &Path) -> Result<PathBuf> {
    let so = work.join(format!("libbpf.so.{VERSION}"));
    let mut cc = tool("CC", "cc");
    cc.args(["-shared", "-nostartfiles", "-static-libgcc", "-o"]).arg(&so);
    cc.arg(format!("-Wl,-soname,{SONAME}"));
    cc.arg(format!("-Wl,--version-script={}", script.display()));
    cc.args(["-Wl,--gc-sections", "-Wl,--no-undefined", "-Wl,--build-id=sha1", "-Wl,-z,relro,-z,now", "-s"]);
    cc.arg("-Wl,--whole-archive").arg(archive).arg("-Wl,--no-whole-archive");
    run(cc.args(["-lgcc_eh", "-lgcc", "-lc"]))?;
    Ok(so)
}

/// One object file whose only global names are libbpf's, in an archive.
fn link_static(archive: &Path, symbols: &[Symbol], names: &Path, work: &Path) -> Result<PathBuf> {
    let object = work.join("libbpf.o");
    let mut ld = tool("LD", "ld");
    ld.args(["-r", "--gc-sections", "-o"]).arg(&object);
    for symbol in symbols {
        ld.arg("-u").arg(&symbol.name);
    }
    run(ld.arg(archive))?;
    let mut objcopy = tool("OBJCOPY", "objcopy");
    objcopy.args(["--strip-debug", "--remove-section=.llvmbc", "--remove-section=.llvmcmd"]);
    objcopy.arg(format!("--keep-global-symbols={}", names.display()));
    run(objcopy.arg(&object))?;
    let a = work.join("libbpf.a");
    let _ = std::fs::remove_file(&a);
    run(tool("AR", "ar").arg("rcsD").arg(&a).arg(&object))?;
    Ok(a)
}

/// Fails unless the shared library exports just the symbols, each in its node.
fn check_exports(so: &Path, symbols: &[Symbol]) -> Result<()> {
    let text = output(tool("NM", "nm").args(["-D", "--defined-only"]).arg(so))?;
    let have: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .filter(|name| !name.starts_with("LIBBPF_"))
        .map(str::to_owned)
        .collect();
    let want: BTreeSet<String> = symbols.iter().map(|s| format!("{}@@{}", s.name, s.node)).collect();
    let (gone, odd): (Vec<_>, Vec<_>) = (want.difference(&have).collect(), have.difference(&want).collect());
    if gone.is_empty() && odd.is_empty() {
        return Ok(());
    }
    bail!("{}: not exported: {gone:?}; exported without need: {odd:?}", so.display())
}

fn install(places: &Places, so: &Path, a: &Path) -> Result<()> {
    let lib = places.real(&places.libdir);
    std::fs::create_dir_all(lib.join("pkgconfig"))?;
    let file = format!("libbpf.so.{VERSION}");
    std::fs::copy(so, lib.join(&file))?;
    for (link, target) in [(SONAME, file.as_str()), ("libbpf.so", SONAME)] {
        let link = lib.join(link);
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(target, link)?;
    }
    std::fs::copy(a, lib.join("libbpf.a"))?;
    std::fs::write(lib.join("pkgconfig/libbpf.pc"), pkg_config(places))?;
    let include = places.real(&places.prefix.join("include/bpf"));
    std::fs::create_dir_all(&include)?;
    for entry in std::fs::read_dir(root().join("crates/oxbpf-capi/include/bpf"))? {
        let entry = entry?;
        std::fs::copy(entry.path(), include.join(entry.file_name()))?;
    }
    crate::say(&format!("installed to {} and {}", lib.display(), include.display()));
    Ok(())
}

fn pkg_config(places: &Places) -> String {
    let prefix = places.prefix.display();
    let libdir = match places.libdir.strip_prefix(&places.prefix) {
        Ok(inside) => format!("${{prefix}}/{}", inside.display()),
        Err(_) => places.libdir.display().to_string(),
    };
    format!(
        "prefix={prefix}\nlibdir={libdir}\nincludedir=${{prefix}}/include\n\nName: libbpf\nDescription: BPF library\n\
         Version: {VERSION}\nLibs: -L${{libdir}} -lbpf\nCflags: -I${{includedir}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_is_an_export_or_listed_as_missing() {
        let mut written = BTreeSet::new();
        for (path, text) in crate::tidy::rust_files().expect("reads") {
            if !path.starts_with("crates/oxbpf-capi/src/") {
                continue;
            }
            for block in text.split("\nexport! {\n").skip(1) {
                let block = block.split("\n}\n").next().unwrap_or_default();
                let names = block.lines().filter_map(|l| l.strip_prefix("    fn ")?.split('(').next());
                written.extend(names.map(str::to_owned));
            }
        }
        let table: BTreeSet<String> = symbols().expect("reads").into_iter().map(|s| s.name).collect();
        let missing = missing().expect("reads");
        let odd: Vec<_> = written.difference(&table).collect();
        assert!(odd.is_empty(), "no functions of libbpf: {odd:?}");
        let absent: BTreeSet<String> = table.difference(&written).cloned().collect();
        assert_eq!(absent, missing, "abi/missing.txt lists what is not written");
    }

    #[test]
    fn nodes_follow_one_another_by_number() {
        let symbol = |name: &str, node: &str| Symbol {
            name: name.into(),
            node: node.into(),
            header: String::new(),
            declaration: String::new(),
        };
        let script = version_script(&[symbol("b", "LIBBPF_0.10.0"), symbol("a", "LIBBPF_0.9.0")]);
        let expected = "LIBBPF_0.9.0 {\n\tglobal:\n\t\ta;\n\tlocal:\n\t\t*;\n};\n\nLIBBPF_0.10.0 {\n\tglobal:\n\t\tb;\n} LIBBPF_0.9.0;\n\n";
        assert_eq!(script, expected);
    }

    #[test]
    fn the_table_has_every_function_once() {
        let symbols = symbols().expect("reads");
        let names: BTreeSet<&str> = symbols.iter().map(|s| s.name.as_str()).collect();
        assert_eq!((symbols.len(), names.len()), (359, 359));
    }
}
