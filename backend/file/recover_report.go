// SPDX-License-Identifier: Apache-2.0

package file

import (
	"fmt"

	"go.uber.org/zap"
)

// A RecoveryReport describes what Open found and changed. The directory quarantine keeps bytes that were cut off and files
// that were set aside, each with a report beside it, and reports of missing seqs:
// {"file":"NAME","missing":[{"first":7,"last":9}]}.
type RecoveryReport struct {
	Facts   uint64   // the number of facts in the log
	LastSeq uint64   // the highest seq ever assigned; 0 if none exists
	Read    []string // files that were read completely: the active segment, and files without a valid index
	Removed []string // unneeded files that a crash left behind
	Cuts    []Cut    // bytes that were cut off or set aside
	Missing []Gap    // seqs whose facts are lost after a repair; some of the facts may have been pruned earlier
}

// A Cut describes bytes that Open removed from the log.
type Cut struct {
	File   string `json:"file"`   // the name of the file that had them
	Offset int64  `json:"offset"` // of the first one
	Bytes  int64  `json:"bytes"`  // their number
	Reason string `json:"reason"`
	Kept   string `json:"kept"` // the file that has them now, in the log's directory
}

// lost is a report in the quarantine: of the facts of a file that are missing after a repair.
type lost struct {
	File    string `json:"file"`
	Missing []Gap  `json:"missing"`
}

// A Gap is a range of seqs, from First to Last.
type Gap struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

func (g Gap) String() string { return fmt.Sprintf("%d-%d", g.First, g.Last) }

// log logs the parts that an operator must see.
func (r *RecoveryReport) log(logger *zap.Logger, dir string) {
	fields := []zap.Field{zap.String("path", dir), zap.Uint64("facts", r.Facts), zap.Uint64("last_seq", r.LastSeq)}
	for _, c := range r.Cuts {
		logger.Warn("cut off bytes of the log", zap.String("path", dir), zap.String("file", c.File), zap.Int64("offset", c.Offset),
			zap.Int64("bytes", c.Bytes), zap.String("reason", c.Reason), zap.String("kept", c.Kept))
	}
	if len(r.Missing) > 0 {
		logger.Error("facts are missing", append(fields, zap.Stringers("seqs", r.Missing))...)
	}
	logger.Info("opened the log", append(fields, zap.Strings("read", r.Read), zap.Strings("removed", r.Removed))...)
}
