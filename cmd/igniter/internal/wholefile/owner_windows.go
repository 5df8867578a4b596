// SPDX-License-Identifier: Apache-2.0

package wholefile

import (
	"io/fs"
	"os"
)

func openDir(path string) (*os.File, error) { return os.Open(path) }

// chownLike does nothing: a new file's permissions come from its folder.
func chownLike(*os.File, fs.FileInfo) error { return nil }

// giveAway does nothing, as chownLike.
func giveAway(*os.File) error { return nil }

// Owner does not know the owner.
func Owner(string) (uid int, ok bool) { return 0, false }
