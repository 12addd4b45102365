use identity_client::{Error, WorkloadToken, requires_workload_token};

#[requires_workload_token(policy = "{}")]
async fn answer(workload_token: WorkloadToken) -> Result<(), Error> {
    drop(workload_token);
    Ok(())
}

fn main() {}
