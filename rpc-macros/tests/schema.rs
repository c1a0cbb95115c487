//! The schema that types have, held against protobuf itself: its compiler and its Python library.

#[path = "schema/everything.rs"]
mod everything;

use everything::{Land, Order, OrdersClient, Surface, order};
use prost::Message as _;
use rpc::{
    Client,
    schema::{Schema, SchemaBuilder},
};
use rpc_core::message::Derived;
use std::{fs, path::Path, process::Command};

/// The package of the messages that prost generated.
const MAPS: &str = r#"syntax = "proto3";
package maps.v1;
message Location {
  enum Surface { SURFACE_UNSPECIFIED = 0; SURFACE_WATER = 5; }
  double latitude = 1;
  double longitude = 2;
}
enum Land { LAND_UNSPECIFIED = 0; LAND_FIELD = 1; LAND_FOREST = 2; }
"#;

fn python(folder: &Path, script: &str) -> String {
    let python = rpc_testkit::python_with_grpcio().unwrap();
    let output = Command::new(python).current_dir(folder).args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn named(builder: SchemaBuilder) -> SchemaBuilder {
    let builder = builder.service(OrdersClient::SERVICE);
    builder.enumeration::<Land>("maps.v1.Land").enumeration::<Surface>("maps.v1.Location.Surface")
}

/// The schema, with the file of what prost generated compiled by protobuf's compiler.
fn schema(folder: &Path) -> Schema {
    fs::write(folder.join("maps.proto"), MAPS).unwrap();
    let compile = "from grpc_tools import protoc; \
        assert protoc.main(['', '-I.', '--descriptor_set_out=maps.bin', 'maps.proto']) == 0";
    python(folder, compile);
    let maps = fs::read(folder.join("maps.bin")).unwrap();
    named(Schema::builder().descriptors(&maps)).build().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "for whoever starts the tests")]
#[test]
fn the_proto_text_is_as_reviewed() {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema(folder.path());
    let mut pages = String::new();
    for (name, text) in schema.files() {
        pages += &format!("// ==== {name}\n{text}\n");
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/everything.proto");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&golden, &pages).unwrap();
    }
    let reviewed = fs::read_to_string(&golden).unwrap_or_default();
    assert!(pages == reviewed, "{} differs; review it with UPDATE_EXPECT=1", golden.display());
}

/// What the text means to protobuf's compiler is what the descriptors say, comments included.
#[test]
fn the_text_compiles_to_the_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let schema = schema(folder);
    fs::write(folder.join("ours.bin"), schema.file_descriptor_set()).unwrap();
    let mut names = Vec::new();
    for (name, text) in schema.files() {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        names.push(name.to_owned());
    }
    let script = format!(
        r#"
import grpc_tools, os
from grpc_tools import protoc
from google.protobuf import descriptor_pb2
names = {names:?}
include = os.path.join(os.path.dirname(grpc_tools.__file__), '_proto')
assert protoc.main(['', '-I.', '-I' + include, '--include_imports', '--include_source_info',
                    '--descriptor_set_out=theirs.bin'] + names) == 0
def read(path):
    files = descriptor_pb2.FileDescriptorSet.FromString(open(path, 'rb').read()).file
    return {{file.name: file for file in files}}
def comments(file):
    found = {{tuple(l.path): l.leading_comments for l in file.source_code_info.location if l.leading_comments}}
    found.pop((12,), None)
    file.ClearField('source_code_info')
    return found
ours, theirs = read('ours.bin'), read('theirs.bin')
assert set(ours) == set(theirs), (set(ours), set(theirs))
for name in names:
    a, b = comments(ours[name]), comments(theirs[name])
    assert a == b, (name, set(a.items()) ^ set(b.items()))
    assert ours[name] == theirs[name], str(ours[name]) + '\n=====\n' + str(theirs[name])
    print(name, len(a))
"#
    );
    let said = python(folder, &script);
    assert_eq!(said.lines().count(), names.len(), "{said}");
    assert_eq!(names.len(), 2, "one file for each package: {names:?}");
}

/// Python reads our bytes by our descriptors, and we read its.
#[test]
fn messages_go_to_python_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("ours.bin"), schema(folder).file_descriptor_set()).unwrap();
    fs::write(folder.join("order.bin"), order().encode_to_vec()).unwrap();
    let script = r#"
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, json_format, unknown_fields
pool = descriptor_pool.DescriptorPool()
for file in descriptor_pb2.FileDescriptorSet.FromString(open('ours.bin', 'rb').read()).file:
    pool.Add(file)
service = pool.FindServiceByName('test.schema.v1.Orders')
assert [m.name for m in service.methods] == ['Find', 'Place', 'Count', 'Follow', 'Import', 'Talk', 'Old']
assert service.methods_by_name['Find'].GetOptions().idempotency_level == 2
assert service.methods_by_name['Old'].GetOptions().deprecated
assert service.methods_by_name['Place'].output_type.full_name == 'google.protobuf.Empty'
assert service.methods_by_name['Talk'].client_streaming and service.methods_by_name['Talk'].server_streaming
pool.FindMessageTypeByName('test.schema.v1.OrderError.Shut')
Order = message_factory.GetMessageClass(pool.FindMessageTypeByName('test.schema.v1.Order'))
order = Order.FromString(open('order.bin', 'rb').read())
assert len(unknown_fields.UnknownFieldSet(order)) == 0
assert order.number == 7 and order.HasField('note') and order.note == ''
assert order.items[0].menu_name == 'noodles'
assert order.payment.WhichOneof('kind') == 'card' and order.payment.card.holder.address.lines == ['1']
assert order.payment.card.brand == 2 and list(order.brands) == [1, 2]
assert order.amounts['won'] == 9000 and order.placed_at.nanos == 5 and order.took.seconds == 1
assert order.tree.left.value == -3 and order.tree.moods[2] == 0
assert order.everything.b == 2**64 - 1 and order.everything.h == '한국' and order.everything.HasField('m')
assert json_format.MessageToDict(order)['placedAt'].startswith('2023-11-14')
open('back.bin', 'wb').write(order.SerializeToString())
"#;
    python(folder, script);
    let back = Order::decode_whole(&*fs::read(folder.join("back.bin")).unwrap()).unwrap();
    assert_eq!(back, order());
}

#[test]
fn what_prost_generated_is_asked_for_by_name() {
    let error = named(Schema::builder()).build().unwrap_err();
    assert_eq!(error.missing(), ["maps.v1.Land", "maps.v1.Location", "maps.v1.Location.Surface"]);
    assert!(error.to_string().contains("Schema::builder().descriptors(..)"), "{error}");
}

#[test]
fn an_enum_that_prost_generated_has_to_be_named_and_not_as_another() {
    let error = OrdersClient::SERVICE.schema().unwrap_err().to_string();
    let land = "was generated by prost, which does not say what it is called: say it with \
                `Schema::builder().enumeration::<it::schema::everything::Land>(\"..\")`";
    assert_eq!(error.matches(land).count(), 1, "{error}");
    let folder = tempfile::tempdir().unwrap();
    schema(folder.path());
    let builder = || named(Schema::builder().descriptors(&fs::read(folder.path().join("maps.bin")).unwrap()));
    let error = builder().enumeration::<Surface>("maps.v1.Land").build().unwrap_err().to_string();
    assert!(error.contains("has the number 1, and the type has not"), "{error}");
    let error = builder().enumeration::<Land>("maps.v1.Location").build().unwrap_err().to_string();
    assert!(
        error.contains("`maps.v1.Location`, which `it::schema::everything::Land` was said to be, is no enum"),
        "{error}"
    );
}

#[test]
fn the_test_of_a_committed_file_is_told_the_names_as_well() {
    let folder = tempfile::tempdir().unwrap();
    schema(folder.path());
    let maps = fs::read(folder.path().join("maps.bin")).unwrap();
    let said = std::panic::catch_unwind(|| {
        rpc::assert_proto!(
            "tests/nowhere.proto",
            OrdersClient; &maps, Land = "maps.v1.Land", Surface = "maps.v1.Location.Surface"
        );
    });
    let said = said.unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains("tests/nowhere.proto is not there"), "{said}");
}

mod twice {
    use rpc::prelude::*;

    #[rpc_service(package = "b", name = "There")]
    pub trait Theres {
        async fn back(&self) -> Result<Back, Status>;
    }

    #[rpc_service(package = "a")]
    pub trait Shops {
        async fn which(&self, street: String) -> Result<String, Status>;
    }

    #[rpc_service(package = "a")]
    pub trait Bare {
        #[rpc(bare)]
        async fn count(&self, up_to: u64) -> Result<u64, Status>;
    }

    pub mod other {
        #[derive(rpc::Message, Debug)]
        pub struct Order {
            pub number: u32,
        }
    }

    #[derive(Message, Debug)]
    pub struct Order {
        pub number: String,
        pub other: other::Order,
    }

    #[derive(Message, Debug)]
    #[rpc(package = "b")]
    pub struct There {
        pub back: Option<Box<Back>>,
    }

    #[derive(Message, Debug)]
    #[rpc(package = "a")]
    pub struct Back {
        pub there: Option<There>,
    }

    #[rpc_service(package = "a")]
    pub trait Orders {
        async fn find(&self, number: String) -> Result<Order, Status>;
        async fn there(&self) -> Result<There, Status>;
    }
}

#[test]
fn names_that_meet_and_packages_in_a_circle_are_reported_together() {
    let error = twice::OrdersClient::SERVICE.schema().unwrap_err().to_string();
    let both = format!("`a.Order` is the name of {}::twice::", module_path!());
    assert!(error.contains(&both), "{error}");
    assert!(error.contains("a.proto and b.proto"), "{error}");
}

#[test]
fn what_is_no_message_cannot_be_bare() {
    let error = twice::BareClient::SERVICE.schema().unwrap_err().to_string();
    assert!(error.contains("`BareCountRequest` is no message") && error.contains("remove `bare`"), "{error}");
}

#[test]
fn a_service_called_as_a_message_is_reported() {
    let error = twice::TheresClient::SERVICE.schema().unwrap_err().to_string();
    assert!(error.contains("`b.There` is the name of a service and of it::schema::twice::There"), "{error}");
}

/// Its messages are named after the service as it is served.
#[test]
fn a_trait_served_twice_in_one_package_is_described_twice() {
    let night = twice::ShopsClient::SERVICE.named("a.Night");
    let schema = Schema::builder().service(twice::ShopsClient::SERVICE).service(night).build().unwrap();
    let proto = schema.proto();
    for name in ["Shops", "Night"] {
        let method = format!("service {name} {{\n  rpc Which({name}WhichRequest) returns ({name}WhichResponse);");
        assert!(proto.contains(&method), "{method} in\n{proto}");
        assert!(proto.contains(&format!("message {name}WhichRequest {{\n  string street = 1;")), "{proto}");
    }
}

/// Three programs: as it is, with other words, and with another wire.
mod versions {
    macro_rules! version {
        ($module:ident, $order:ident { $($field:ident: $ty:ty),* }) => {
            pub mod $module {
                use rpc::prelude::*;

                #[derive(Message, Debug)]
                pub struct $order { $(pub $field: $ty),* }

                #[rpc_service(package = "versions")]
                pub trait Orders {
                    async fn find(&self, number: String) -> Result<$order, Status>;
                }
            }
        };
    }
    version!(one, Order { number: String, count: u32 });
    version!(renamed, Commande { numero: String, combien: Option<u32> });
    version!(wider, Order { number: String, count: u64 });
    version!(sorted, Order { count: u32, number: String });
    version!(list, Order { number: String, count: Vec<u32> });
}

#[test]
fn a_fingerprint_follows_the_wire_and_not_the_words() {
    fn of<C: Client>() -> u64 {
        C::SERVICE.schema().unwrap().fingerprint().number()
    }
    let one = of::<versions::one::OrdersClient>();
    assert_eq!(one, of::<versions::renamed::OrdersClient>());
    assert_ne!(one, of::<versions::wider::OrdersClient>());
    assert_ne!(one, of::<versions::sorted::OrdersClient>());
    assert_ne!(one, of::<versions::list::OrdersClient>());
    // For ever: programs of different versions compare theirs.
    assert_eq!(format!("{one:016x}"), "55bbc99150ddc13d");
}

/// Programs whose method fails in one way or another.
mod failing {
    macro_rules! version {
        ($module:ident, $code:ident $failure:ident { $(#[$mark:meta])* $field:ident: $ty:ty }) => {
            pub mod $module {
                use rpc::prelude::*;

                #[derive(RpcError, thiserror::Error, Debug)]
                #[rpc(package = "failing")]
                pub enum OrderError {
                    #[error("no")]
                    #[rpc(code = $code)]
                    $failure { $(#[$mark])* $field: $ty },
                    #[error(transparent)]
                    Rpc(#[from] Status),
                }

                #[rpc_service(package = "failing")]
                pub trait Orders {
                    async fn find(&self) -> Result<String, OrderError>;
                }
            }
        };
    }
    version!(one, NotFound Gone { number: String });
    version!(renamed, NotFound Gone { numero: String });
    version!(moved, NotFound Gone { #[rpc(tag = 2)] number: String });
    version!(wider, NotFound Gone { number: u64 });
    version!(named, NotFound Lost { number: String });
    version!(coded, Aborted Gone { number: String });
}

/// The clients of before would take a detail that they cannot read for some failure that nobody declared.
#[test]
fn a_fingerprint_follows_what_travels_with_an_error() {
    fn of<C: Client>() -> u64 {
        C::SERVICE.schema().unwrap().fingerprint().number()
    }
    let one = of::<failing::one::OrdersClient>();
    assert_eq!(one, of::<failing::renamed::OrdersClient>());
    assert_ne!(one, of::<failing::moved::OrdersClient>());
    assert_ne!(one, of::<failing::wider::OrdersClient>());
    assert_ne!(one, of::<failing::named::OrdersClient>());
    assert_ne!(one, of::<failing::coded::OrdersClient>());
}

/// What prost generated, declared in Rust, for its descriptors.
mod maps {
    macro_rules! version {
        ($module:ident: $latitude:ident $ty:ty) => {
            pub mod $module {
                use rpc::prelude::*;

                #[derive(Message, Debug)]
                pub struct Location {
                    pub $latitude: $ty,
                    pub longitude: f64,
                }

                #[rpc_service(package = "maps.v1")]
                pub trait Maps {
                    async fn find(&self) -> Result<Location, Status>;
                }
            }
        };
    }
    version!(one: latitude f64);
    version!(renamed: breite f64);
    version!(narrow: latitude f32);

    /// With what prost generated itself.
    #[rpc::rpc_service(package = "maps.v2")]
    pub trait Maps {
        async fn find(&self) -> Result<super::everything::Location, rpc::Status>;
    }
}

#[test]
fn a_fingerprint_knows_what_is_in_messages_that_prost_generated() {
    fn of<C: Client>() -> u64 {
        let set = C::SERVICE.schema().unwrap().file_descriptor_set();
        Schema::builder().service(maps::MapsClient::SERVICE).descriptors(&set).build().unwrap().fingerprint().number()
    }
    let one = of::<maps::one::MapsClient>();
    assert_eq!(one, of::<maps::renamed::MapsClient>());
    assert_ne!(one, of::<maps::narrow::MapsClient>());
}
