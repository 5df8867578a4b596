package vfs

// noFollow does nothing: making links takes a privilege on Windows.
const noFollow = 0
