//! Shards through an S3 server: moto's, on this machine.

use crate::{eight, python};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The server, ended with the test.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port();
        let process = Command::new(python("TOOLKEN_LLAMA_PYTHON"))
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto starts");
        let server = Self { process, port };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(120), "moto's server does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        server
    }

    fn variables(&self) -> [(String, String); 5] {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        [
            ("AWS_ENDPOINT", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
        ]
        .map(|(key, value)| (key.into(), value.into()))
    }

    /// An empty bucket.
    fn bucket(&self, name: &str) {
        let make = format!(
            "import boto3; boto3.client('s3', endpoint_url='http://127.0.0.1:{}', region_name='us-east-1', aws_access_key_id='test', \
             aws_secret_access_key='test').create_bucket(Bucket='{name}')",
            self.port
        );
        let made =
            Command::new(python("TOOLKEN_LLAMA_PYTHON")).args(["-c", &make]).output().expect("Python starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn eight_shards_through_s3_are_the_store_of_one_process() {
    let server = Server::start();
    server.bucket("features");
    let folder = tempfile::tempdir().expect("a folder");
    eight::same_as_one_process(folder.path(), "s3://features/some/prefix", &server.variables());
}
