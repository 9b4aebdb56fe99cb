//! Two results side by side.

use std::path::Path;

use serde_json::Value;

use crate::{LoadError, report::Report};

/// Prints every number of two results that were printed as JSON, and the second as a multiple of the first.
pub(crate) fn compare(before: &Path, after: &Path) -> Result<bool, LoadError> {
    let (before, after) = (read(before)?, read(after)?);
    println!("{:<28}{:>16}{:>16}{:>9}", "", "before", "after", "ratio");
    if let (Value::Object(before), Value::Object(after)) = (before, after) {
        for (name, old) in &before {
            let (Some(old), Some(new)) = (old.as_f64(), after.get(name).and_then(Value::as_f64)) else {
                continue;
            };
            let ratio = if old == 0.0 { String::new() } else { format!("{:.2}", new / old) };
            println!("{name:<28}{old:>16.2}{new:>16.2}{ratio:>9}");
        }
    }
    Ok(true)
}

fn read(path: &Path) -> Result<Value, LoadError> {
    let place = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(LoadError::io(place.clone()))?;
    let report: Report =
        serde_json::from_str(&text).map_err(|e| LoadError::Wrong(format!("{place} is no result: {e}")))?;
    serde_json::to_value(report).map_err(|e| LoadError::Wrong(e.to_string()))
}
