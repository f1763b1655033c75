//! What docs/protocol.md says about the model and other tests is true of their names.

use std::fs;
use std::path::Path;

/// protocol §5.9.1
#[test]
fn the_tests_that_the_document_names_are_there() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let document = fs::read_to_string(root.join("docs/protocol.md")).unwrap();
    let (_, section) = document.split_once("### 5.9 Invariants").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows: Vec<&str> = section.lines().filter(|l| l.starts_with("| I")).collect();
    assert_eq!(rows.len(), 15);
    let mut named = 0;
    for row in rows {
        // Every second piece between backticks is the name of a test; then follows its file.
        let pieces: Vec<&str> = row.split('`').collect();
        for pair in pieces.chunks(2).skip(1).zip(pieces.chunks(2)) {
            let (after, before) = pair;
            let name = before.get(1).unwrap();
            let file = after[0].strip_prefix(" in ").unwrap();
            let file = file.split([';', ' ']).next().unwrap();
            let source = fs::read_to_string(root.join(file)).unwrap();
            assert!(source.contains(&format!("fn {name}(")), "{name} in {file}");
            named += 1;
        }
        let number = row.split('|').nth(1).unwrap().trim();
        let properties = include_str!("../src/properties.rs");
        let modelled = properties.contains(&format!("\"{number} "));
        assert_eq!(
            row.contains("the model"),
            modelled || number == "I2",
            "{number}"
        );
    }
    assert!(named >= 15);
}
