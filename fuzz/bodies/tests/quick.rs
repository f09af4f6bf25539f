//! Each target on its seeds and on mutations of them that are the same every time.

use std::fs;
use std::path::PathBuf;

use footlight_fuzz_bodies::{TARGETS, Target};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// As long as the longest seed, some times over; what a server takes at most is tested where it is limited.
const MAX_INPUT: usize = 16 * 1024;

fn folder(name: &str) -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo test");
    PathBuf::from(package).join("..").join(name)
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = folder("seeds").join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a folder that can be read").path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

/// One small change, as a fuzzer makes them.
fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut SmallRng) {
    let at = rng.random_range(0..=input.len());
    match rng.random_range(0..6) {
        0 => input.truncate(at),
        1 => input.insert(at, rng.random()),
        2 => {
            let other = &others[rng.random_range(0..others.len())];
            let from = rng.random_range(0..=other.len());
            input.splice(at.., other[from..].iter().copied());
        }
        3 if at < input.len() => {
            input.remove(at);
        }
        4 if at < input.len() => input[at] = rng.random(),
        _ if at < input.len() => input[at] ^= 1 << rng.random_range(0..8),
        _ => {}
    }
    input.truncate(MAX_INPUT);
}

fn run(name: &str) {
    let Target {
        body, quick_mutations, ..
    } = TARGETS
        .iter()
        .find(|target| target.name == name)
        .unwrap_or_else(|| panic!("{name} is no target"));
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    body(&[]);
    for seed in &seeds {
        body(seed);
    }
    let mut rng = SmallRng::seed_from_u64(0x0f00_711e);
    for _ in 0..*quick_mutations {
        let mut input = seeds[rng.random_range(0..seeds.len())].clone();
        for _ in 0..rng.random_range(1..6) {
            mutate(&mut input, &seeds, &mut rng);
        }
        body(&input);
    }
}

macro_rules! quick {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_target_is_run_here_and_by_cargo_fuzz() {
            let mut tested = [$(stringify!($name)),*];
            tested.sort_unstable();
            let listed: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(tested.as_slice(), listed);
            let mut programs: Vec<_> = fs::read_dir(folder("fuzz_targets"))
                .expect("a folder that can be read")
                .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
                .collect();
            programs.sort();
            assert_eq!(programs, listed);
        }
    };
}

quick!(
    client_message,
    config,
    datagram,
    identifier,
    media,
    quantities,
    sdp_fragment,
    sdp_offer,
    strip,
    tcp_frames
);
