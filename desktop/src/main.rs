//! Sori's desktop window.

use tauri::{WebviewUrl, WebviewWindowBuilder};

#[tauri::command]
fn app_start() -> String {
    "x".to_owned()
}

fn main() -> tauri::Result<()> {
    tauri::Builder::default()
        .invoke_handler(tauri::generate_handler![app_start])
        .setup(|app| {
            WebviewWindowBuilder::new(app, "main", WebviewUrl::default()).build()?;
            Ok(())
        })
        .run(tauri::generate_context!())
}
