//! The thirteen functions against the reference: ToolkenGPT's `funchub`, run by Python.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::fs;
use toolken_tools::{ErrorKind, Function, Number, Rounding, call_json};

#[derive(Deserialize)]
struct Line {
    tool: String,
    args: Vec<Box<RawValue>>,
    result: Option<String>,
    error: Option<String>,
}

/// The calls of a file, each with what the reference made of it.
fn calls(file: &str) -> Vec<(Function, Vec<Number>, Result<String, String>)> {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let parse = |line| {
        let line: Line = serde_json::from_str(line).expect(line);
        let args = line.args.iter().map(|n| n.get().parse().expect("a number")).collect();
        let outcome = line.result.ok_or_else(|| line.error.expect("a result or an error"));
        (line.tool.parse().expect("a function"), args, outcome)
    };
    text.lines().map(parse).collect()
}

fn agree(file: &str, lines: usize) {
    let calls = calls(file);
    assert_eq!(calls.len(), lines);
    let mut differences = Vec::new();
    for (function, args, expected) in calls {
        let found = function.call(&args, Rounding::Reference).map_err(|error| error.kind.name().to_owned());
        if found != expected {
            differences.push(format!("{function}{args:?}: {found:?}, expected {expected:?}"));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn all_lines_of_the_oracle_agree() {
    agree("../../tests/oracle/funchub.jsonl", 3000);
}

/// Calls that random arguments do not meet: no or one argument, zeros, integers past a float's precision and range,
/// infinite results, complex powers, floats where integers are needed, ties of rounding. Made with Python 3.11 and the
/// reference's definitions; lines whose result has an exponent ending in zero are left out (see `render`).
#[test]
fn edges_agree_with_python() {
    agree("tests/python_edges.jsonl", 1138);
}

#[test]
fn json_lines_give_the_oracle_back() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/oracle/funchub.jsonl");
    for line in fs::read_to_string(path).expect(path).lines() {
        let answer: serde_json::Value =
            serde_json::from_str(&call_json(line, Rounding::Reference).expect(line)).expect("JSON");
        let expected: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(answer, expected);
    }
}

/// Each of these would run for hours, or fill the memory, if it were simply computed.
#[test]
fn hostile_calls_end_at_once() {
    let int = |digits: &str| digits.parse::<Number>().expect("an integer");
    let nines = int(&"9".repeat(1000));
    let primes_product = |n: usize| int(&format!("1{}7", "0".repeat(n)));
    let cases = [
        (Function::Power, vec![9.into(), 999_999_999.into()]),
        (Function::Power, vec![9.into(), nines.clone()]),
        (Function::Power, vec![nines.clone(), nines.clone()]),
        (Function::Power, vec![2.into(), 8000.into(), 8000.into()]),
        (Function::Choose, vec![1_000_000_000.into(), 500_000_000.into()]),
        (Function::Choose, vec![nines.clone(), int(&"4".repeat(1000))]),
        (Function::Permutate, vec![1_000_000_000.into(), 999_999_999.into()]),
        (Function::Permutate, vec![nines.clone(), nines.clone()]),
        (Function::Multiply, vec![nines.clone(); 100_000]),
        (Function::Lcm, (1..900).map(primes_product).collect()),
        (Function::Add, vec![nines.clone(); 1000]),
    ];
    for (function, args) in cases {
        let error = function.call(&args, Rounding::Reference).expect_err("an overflow");
        assert_eq!(error.kind, ErrorKind::OverflowError, "{error}");
    }
    let gcd = Function::Gcd.call(&vec![nines; 1000], Rounding::Full).expect_err("past a float's range");
    assert_eq!(gcd.kind, ErrorKind::OverflowError);
}

#[test]
fn full_precision_is_not_rounded() {
    let full = |function: Function, args: &[Number]| function.call(args, Rounding::Full).expect("a result");
    assert_eq!(full(Function::Add, &[0.384.into(), 1.63.into()]), "2.014");
    assert_eq!(full(Function::Divide, &[1.into(), 3.into()]), "0.3333333333333333");
    assert_eq!(full(Function::Divide, &[6.into(), 3.into()]), "2");
    assert_eq!(full(Function::Divide, &[0.into(), Number::from(-3)]), "0");
    assert_eq!(full(Function::Multiply, &[1.5e20.into(), 1.into()]), "150000000000000000000");
    assert_eq!(full(Function::Multiply, &[1.2e-10.into(), 1.into()]), "0.00000000012");
    assert_eq!(full(Function::Add, &[(-0.05).into(), 0.05.into()]), "0");
    assert_eq!(full(Function::Add, &[0.1.into(), 0.2.into()]), "0.30000000000000004");
}

/// Where the reference strips the zeros of an exponent, and we do not.
#[test]
fn an_exponent_that_ends_in_zero_keeps_its_zero() {
    let reference = |x: f64| Function::Multiply.call(&[x.into()], Rounding::Reference).expect("a result");
    assert_eq!(reference(1.5e20), "150000000000000000000");
    assert_eq!(reference(1.2e-10), "0.00000000012");
}
