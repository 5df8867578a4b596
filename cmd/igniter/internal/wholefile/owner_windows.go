package wholefile

import (
	"io/fs"
	"os"
)

// chownLike does nothing: a new file's permissions come from its folder.
func chownLike(*os.File, fs.FileInfo) error { return nil }
