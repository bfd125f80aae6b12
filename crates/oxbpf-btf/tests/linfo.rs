//! Source lines by instruction and by machine address: what C libbpf finds (`testdata/linfo`).

use oxbpf_btf::{JitedLines, LineInfo, ProgLines};

const ANSWERS: &str = include_str!("../../../testdata/linfo/libbpf.txt");

fn numbers(line: Option<&str>) -> Vec<u64> {
    line.unwrap().split(' ').skip(1).map(|n| n.parse().unwrap()).collect()
}

fn show<'a>(found: impl Iterator<Item = Option<&'a LineInfo>>) -> String {
    found.map(|line| line.map_or(" -".into(), |l| format!(" {}", l.line_col))).collect()
}

#[test]
fn lines_are_found_as_libbpf_finds_them() {
    let mut text = ANSWERS.lines().peekable();
    let (mut found, mut refused) = (0, 0);
    while text.peek().is_some() {
        let insns = numbers(text.next());
        let (addrs, funcs) = (numbers(text.next()), numbers(text.next()));
        let lens: Vec<u32> = numbers(text.next()).into_iter().map(|n| n as u32).collect();
        let records: Vec<u8> = (0..)
            .zip(&insns)
            .flat_map(|(i, insn)| [*insn as u32, 0, 0, i])
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        let jited = JitedLines { addrs: &addrs, func_addrs: &funcs, func_lens: &lens };
        let lines = ProgLines::new(&records, 16, jited);
        let expect = text.next().unwrap();
        if expect == "refused" {
            assert!(lines.is_err(), "{addrs:?} {funcs:?} {lens:?}");
            refused += 1;
            continue;
        }
        let lines = lines.unwrap();
        let asked = expect.split(' ').count() - 1;
        assert_eq!(format!("find{}", show((0..asked).map(|i| lines.find(i as u32, i % 3)))), expect);
        let by_addr = (0..=funcs.len()).flat_map(|f| (0..40).map(move |i| (f, i))).map(|(f, i)| {
            let addr = funcs[f % funcs.len()].wrapping_add(3 * i).wrapping_sub(2);
            lines.find_addr(addr, f, i as usize % 3)
        });
        assert_eq!(format!("find_addr{}", show(by_addr)), text.next().unwrap());
        found += 1;
    }
    assert!(found > 10 && refused > 10, "{found} found, {refused} refused");
}

#[test]
fn lines_without_machine_code_are_found_by_instruction_only() {
    let records: Vec<u8> = [0u32, 7, 3, 8].iter().flat_map(|w| w.to_ne_bytes()).collect();
    let lines = ProgLines::new(&records, 8, JitedLines::default()).unwrap();
    assert_eq!(lines.find(2, 0).map(|l| (l.insn_off, l.file_name_off)), Some((0, 7)));
    assert_eq!(lines.find(5, 1).map(|l| l.insn_off), Some(3));
    assert_eq!(lines.find(2, 1), None);
    assert_eq!(lines.find_addr(0, 0, 0), None);
    assert!(ProgLines::new(&records, 2, JitedLines::default()).is_err());
    assert!(ProgLines::new(&[], 16, JitedLines::default()).is_err());
}
