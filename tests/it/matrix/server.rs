//! The script of a server in either era: how it asks, and how it is asked.

use serde_json::{Value, json};

use crate::kit::{Arrived, Era};

use super::ground::Ground;

impl Ground {
    /// Asks the client in mid-call, in the shape of the server's era; answers with what it said, as it came.
    ///
    /// A modern server ends the request with the question: `arrived` is the repeated one afterwards.
    pub(super) async fn ask(&self, arrived: &mut Arrived, method: &str, params: &str) -> String {
        match self.cell.server {
            Era::Legacy => {
                let id = json!(format!("q-{}", self.server.count("")));
                arrived.ask(&id, method, params).await;
                crate::kit::raw_member(&self.server.answer(&id).await.text, &["result"])
            }
            Era::Modern => {
                self.need(arrived, method, params).await;
                let verb = arrived.method().to_owned();
                *arrived = self.server.take(&verb).await;
                assert_eq!(arrived.params()["requestState"], "state of the round");
                crate::kit::raw_member(&arrived.text, &["params", "inputResponses", "q"])
            }
        }
    }

    /// Ends the request with a question.
    pub(super) async fn need(&self, arrived: &mut Arrived, method: &str, params: &str) {
        let request = format!(r#"{{"method":"{method}","params":{params}}}"#);
        let members = format!(r#""inputRequests":{{"q":{request}}},"requestState":"state of the round""#);
        arrived.result(&format!(r#"{{"resultType":"input_required",{members}}}"#)).await;
    }

    /// A result of the server's era from the members that both eras have.
    pub(super) fn result(&self, members: &str) -> String {
        match self.cell.server {
            Era::Legacy => format!("{{{members}}}"),
            Era::Modern => format!(r#"{{"resultType":"complete",{members}}}"#),
        }
    }

    /// Without what only modern results have, or with it, as the client's era wants.
    pub(super) fn checks_form(&self, response: &Value) {
        let expected = match self.cell.client {
            Era::Legacy => Value::Null,
            Era::Modern => json!("complete"),
        };
        assert_eq!(response["result"]["resultType"], expected, "{response}");
    }
}
