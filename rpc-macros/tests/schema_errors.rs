//! Errors that live elsewhere than their service: described in a file of their own, and read there by others.

use rpc::{App, Config, prelude::*, schema::Schema};
use std::{fs, path::Path, process::Command};

#[derive(Message, Clone, Debug, PartialEq)]
pub struct Order {
    pub number: String,
}

/// Without a package: named on the wire as `OrderError.Taken`.
#[derive(RpcError, thiserror::Error, Debug)]
pub enum OrderError {
    /// Somebody was faster.
    #[error("{} is taken", order.number)]
    #[rpc(code = AlreadyExists)]
    Taken { order: Order, times: u32 },
    #[error(transparent)]
    Rpc(#[from] Status),
}

/// Of all services of a house.
#[derive(RpcError, thiserror::Error, Debug)]
#[rpc(package = "house")]
pub enum HouseError {
    #[error("closed")]
    #[rpc(code = FailedPrecondition)]
    Closed { opens: Option<u64> },
    #[error(transparent)]
    Rpc(#[from] Status),
}

#[rpc_service(package = "apart.v1")]
pub trait Orders {
    async fn place(&self, order: Order) -> Result<Order, OrderError>;
    async fn enter(&self, order: Order) -> Result<Order, HouseError>;
}

struct Shut;

impl Orders for Shut {
    async fn place(&self, order: Order) -> Result<Order, OrderError> {
        Err(OrderError::Taken { order, times: 3 })
    }

    async fn enter(&self, _: Order) -> Result<Order, HouseError> {
        Err(HouseError::Closed { opens: Some(9) })
    }
}

/// Writes the files of a schema as they are handed to others, and gives their names.
fn write(schema: &Schema, folder: &Path) -> Vec<String> {
    let file = |(name, text): (&str, String)| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        name.to_owned()
    };
    schema.files().map(file).collect()
}

fn python(folder: &Path, script: &str, arguments: &[&str]) {
    let python = rpc_testkit::python_with_grpcio().unwrap();
    let output = Command::new(python).current_dir(folder).args(["-c", script]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Compiles the files of the command line, warnings being errors, and imports that of the service alone.
const COMPILE: &str = r#"
import grpc_tools, os, sys
from grpc_tools import protoc
include = os.path.join(os.path.dirname(grpc_tools.__file__), '_proto')
open('status.proto', 'w').write('''
syntax = "proto3";
package google.rpc;
import "google/protobuf/any.proto";
message Status { int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3; }
''')
names = sys.argv[2:] + ['status.proto']
flags = ['-I.', '-I' + include, '--fatal_warnings', '--descriptor_set_out=theirs.bin', '--python_out=.', '--grpc_python_out=.']
assert protoc.main([''] + flags + names) == 0
sys.path.insert(0, '.')
"#;

/// What a stranger does who was given the files: calls, fails, and looks for the detail in what the service's file
/// knows.
const READ: &str = r#"
import grpc, status_pb2
from google.protobuf import descriptor_pb2
def imports(path):
    files = descriptor_pb2.FileDescriptorSet.FromString(open(path, 'rb').read()).file
    return {file.name: (list(file.dependency), list(file.public_dependency)) for file in files}
theirs = imports('theirs.bin')
assert all(theirs[name] == of for name, of in imports('ours.bin').items()), theirs
from apart import v1_pb2 as pb, v1_pb2_grpc as stubs
def detail(call, message):
    try:
        call()
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata())
        status = status_pb2.Status.FromString(trailers['grpc-status-details-bin'])
        assert (status.code, status.message) == (error.code().value[0], error.details()), status
        assert status.details[0].Is(message.DESCRIPTOR), (status.details[0].type_url, message.DESCRIPTOR.full_name)
        assert status.details[0].Unpack(message)
        return message
    raise AssertionError('it did not fail')
with grpc.insecure_channel(sys.argv[1]) as channel:
    orders = stubs.OrdersStub(channel)
    place = pb.OrdersPlaceRequest(order=pb.Order(number='A-1'))
    taken = detail(lambda: orders.Place(place, timeout=20), pb.OrderError.Taken())
    assert taken.DESCRIPTOR.full_name == 'OrderError.Taken' and taken.DESCRIPTOR.file.name == 'order_error.proto'
    assert (taken.order.number, taken.times) == ('A-1', 3), taken
    closed = detail(lambda: orders.Enter(pb.OrdersEnterRequest(), timeout=20), pb.HouseError.Closed())
    assert closed.opens == 9, closed
"#;

#[expect(clippy::disallowed_methods, reason = "a test may wait for another program")]
#[tokio::test(flavor = "multi_thread")]
async fn python_reads_the_details_of_a_real_error_by_the_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    let schema = OrdersClient::SERVICE.schema().unwrap();
    let names = write(&schema, folder.path());
    fs::write(folder.path().join("ours.bin"), schema.file_descriptor_set()).unwrap();
    assert_eq!(names, ["order_error.proto", "house.proto", "apart/v1.proto"]);
    let mut config = Config::default();
    config.registry = Some("memory://".parse().unwrap());
    let app = App::builder().config(config).build();
    let running = app.server().service(OrdersServer::new(Shut)).start().await.unwrap();
    let address = running.address().to_string();
    let done = tokio::task::spawn_blocking(move || {
        let arguments: Vec<_> = std::iter::once(&address).chain(&names).map(String::as_str).collect();
        python(folder.path(), &format!("{COMPILE}{READ}"), &arguments);
    });
    done.await.unwrap();
    running.shutdown().await;
}

#[test]
fn the_file_of_a_service_brings_those_of_its_errors() {
    let schema = OrdersClient::SERVICE.schema().unwrap();
    let proto = schema.proto();
    for import in ["import public \"order_error.proto\";", "import public \"house.proto\";"] {
        assert!(proto.contains(import), "{import} is not in {proto}");
    }
    let errors = schema.files().find(|(name, _)| *name == "order_error.proto").unwrap().1;
    assert!(!errors.contains("\npackage") && errors.contains("message Taken"), "{errors}");
}

mod circle {
    use rpc::prelude::*;

    #[derive(Message, Clone, Debug, PartialEq)]
    #[rpc(package = "circle.v1")]
    pub struct Order {
        pub number: String,
    }

    #[derive(RpcError, thiserror::Error, Debug)]
    pub enum OrderError {
        #[error("taken")]
        #[rpc(code = AlreadyExists)]
        Taken { order: Order },
        #[error(transparent)]
        Rpc(#[from] Status),
    }

    #[rpc_service(package = "circle.v1")]
    pub trait Orders {
        async fn place(&self, order: Order) -> Result<Order, OrderError>;
    }
}

/// Its file needs that of the service, so it cannot be imported there; both are there, and compile.
#[test]
fn an_error_that_holds_messages_of_its_service_stands_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let schema = circle::OrdersClient::SERVICE.schema().unwrap();
    let names = write(&schema, folder.path());
    assert_eq!(names, ["circle/v1.proto", "order_error.proto"]);
    assert!(!schema.proto().contains("import"), "{}", schema.proto());
    let arguments: Vec<_> = std::iter::once("nowhere").chain(names.iter().map(String::as_str)).collect();
    let script = format!(
        "{COMPILE}import order_error_pb2 as pb\nassert pb.OrderError.Taken.DESCRIPTOR.fields[0].message_type.full_name == \
         'circle.v1.Order'\n"
    );
    python(folder.path(), &script, &arguments);
}
