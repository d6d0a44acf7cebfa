//! Shards of one extraction, in processes of their own.

mod eight;

#[test]
fn eight_shards_in_a_folder_are_the_store_of_one_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("depot");
    eight::same_as_one_process(folder.path(), place.to_str().expect("UTF-8"), &[]);
}

/// Two tasks of an array, as Slurm would start them.
#[cfg(unix)]
#[test]
fn the_slurm_job_takes_its_shard_from_slurms_variables() {
    let folder = tempfile::tempdir().expect("a folder");
    let (model, corpus) = eight::model_and_corpus(folder.path(), 60);
    let place = folder.path().join("depot");
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_toolken"));
    let path = std::env::join_paths(
        binary
            .parent()
            .map(Into::into)
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").expect("PATH"))),
    )
    .expect("a path");
    for task in ["1", "2"] {
        let output = std::process::Command::new("bash")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/slurm.sh"))
            .args([&corpus, &model, &place])
            .env("PATH", &path)
            .envs([
                ("SLURM_ARRAY_TASK_ID", task),
                ("SLURM_ARRAY_TASK_MIN", "1"),
                ("SLURM_ARRAY_TASK_COUNT", "2"),
            ])
            .output()
            .expect("bash");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let output = std::process::Command::new(binary)
        .args(["extract", "merge"])
        .arg(&place)
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(not(feature = "object-store"))]
#[test]
fn a_bucket_without_the_feature_is_refused_by_its_name() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_toolken"))
        .args(["extract", "merge", "s3://bucket/features"])
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--features object-store"), "{said}");
}
