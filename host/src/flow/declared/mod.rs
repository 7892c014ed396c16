//! Clients, users, signing keys and types of `authorization_details` that stand in files, for whoever keeps configuration
//! in git: `declared/clients`, `declared/users`, `declared/keys` and `declared/authorization_details` of the data directory.
//!
//! [`folder`] looks at the files once a second, as the plugin folder is looked at: a pull of the repository is all it
//! takes, and there is no signal to forget. [`read`] says what a file says, [`apply`] has the store say the same. What a
//! file says wins, and nobody else changes it.

mod apply;
mod folder;
mod read;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use folder::{Folder, Here};
pub use read::{Problem, members_of};

use super::Flow;
use super::details::DetailTypes;
use folder::News;
use read::Content;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// What is wrong with the files that are declared, and how many there are.
pub fn check(here: Here) -> (usize, Vec<Problem>) {
    let news = Folder::new(here).look(true);
    let (count, types) = (news.len(), DetailTypes::default());
    let problem = |news| match news {
        News::Wrong(problem) => Some(problem),
        News::Says(file, Content::DetailType(name, declared)) => {
            types.declare(&file.name, name, declared).err().map(|what| Problem { file: file.shown(), what })
        }
        News::Says(..) | News::Gone(_) => None,
    };
    (count, news.into_iter().filter_map(problem).collect())
}

/// Takes in what is declared, and from then on what changes, until the host stops. What is right is in force when this
/// returns.
pub async fn watch(flow: &Arc<Flow>, here: Here, mut stopping: watch::Receiver<bool>) -> anyhow::Result<()> {
    let mut folder = Folder::new(here);
    folder.expect(flow.declared_before().await?);
    let mut folder = look(flow, folder, true).await?;
    let flow = Arc::clone(flow);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
            folder = match look(&flow, folder, false).await {
                Ok(folder) => folder,
                Err(error) => return tracing::error!(%error, "declared files are not looked at any more.  do: restart, and report this"),
            };
        }
    });
    Ok(())
}

/// One look, and what comes of it.
async fn look(flow: &Flow, mut folder: Folder, first: bool) -> anyhow::Result<Folder> {
    let (mut folder, news) = tokio::task::spawn_blocking(move || {
        let news = folder.look(first);
        (folder, news)
    })
    .await?;
    for news in news {
        match news {
            News::Says(file, content) => {
                let wrong = flow.declare(&file, content).await.err();
                folder.applied(&file, wrong.as_deref());
                if let Some(what) = wrong
                    && folder.is_new_problem(&file, &what)
                {
                    tracing::error!("a declared file was not taken: {}", Problem { file: file.shown(), what });
                }
            }
            News::Wrong(problem) => tracing::error!("a declared file was not taken: {problem}"),
            News::Gone(file) => {
                if let Err(what) = flow.undeclare(&file).await {
                    tracing::error!("what a removed file declared is still here: {what}");
                    folder.expect([file]);
                }
            }
        }
    }
    Ok(folder)
}
