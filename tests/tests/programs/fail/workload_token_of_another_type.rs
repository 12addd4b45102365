use identity_client::{Error, requires_workload_token};

#[requires_workload_token]
async fn answer(workload_token: u32) -> Result<(), Error> {
    drop(workload_token);
    Ok(())
}

fn main() {}
