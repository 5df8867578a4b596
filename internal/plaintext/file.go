// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"fmt"
	"io"
	"os"
	"time"
)

// maxFile is how many bytes a file of settings may have.
const maxFile = 16 << 20

// patience is how long the writer of a pipe may take.
const patience = 5 * time.Second

// ReadFile reads a file of settings, such as tokens or certificates. It may be a pipe, as a shell makes them; one that nobody writes to is
// empty. A file of more than 16 MiB, such as a device without an end, is an error.
func ReadFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	_ = f.SetReadDeadline(time.Now().Add(patience)) // files that are no pipes have none, and need none
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("read %s: it has more than %d MiB", path, maxFile>>20)
	}
	if err != nil {
		return nil, err
	}
	return text, nil
}
