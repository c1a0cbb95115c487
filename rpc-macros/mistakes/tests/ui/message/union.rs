use rpc::Message;

#[derive(Message)]
union Bits {
    float: f32,
    bits: u32,
}

fn main() {}
