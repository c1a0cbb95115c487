use rpc::Message;

#[derive(Message)]
struct Place(f64, f64);

// What uses the type is not to blame.
#[derive(Message)]
struct User {
    one: Place,
    many: Vec<Place>,
}

fn main() {}
