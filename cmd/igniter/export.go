package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
)

func (a *app) exportCommand() *cobra.Command {
	after := uint64(0)
	var stores []string
	var output string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the facts as NDJSON",
		Long: `Writes every fact as a line of JSON, in the order of the log, with its seq, ID, times and hash: what the log holds
when the command begins, and maybe what comes meanwhile. igniter import takes it. With --output the file is there whole,
or not at all.`,
		Example: `  igniter export --path ./log --output facts.ndjson
  igniter export --address 127.0.0.1:7400 --store tasks --after 51233 | zstd > tasks.ndjson.zst`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				return a.writeTo(output, func(w io.Writer) error {
					total := int64(-1)
					r := backend.Range{After: backend.Cursor{Seq: after}, Stores: stores}
					if len(stores) == 0 {
						r.Stores = nil
						if stats, err := log.Stats(cmd.Context()); err == nil {
							total = int64(stats.Facts)
						}
					}
					a.json = output == "" && isTerminal(a.out) // among lines of JSON is no place for a bar
					bar := a.progress(total, "exporting", false)
					defer bar.Finish()
					var line []byte
					for f, err := range backend.Facts(log.Replay(cmd.Context(), r)) {
						if err != nil {
							return err
						}
						_ = bar.Add(1) // a bar that can't be shown stops nothing
						line = appendLine(line[:0], &f)
						if _, err := w.Write(line); err != nil {
							return err
						}
					}
					return nil
				})
			})
		},
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "only facts after that seq")
	cmd.Flags().StringSliceVar(&stores, "store", nil, "only facts of that store; may be repeated")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; empty: the output")
	return a.where(cmd)
}

// writeTo gives a writer to a function: the output or, where it is named, a file that is there whole or not at all. What
// is no plain file, such as a pipe or a device, is written to as it stands.
func (a *app) writeTo(path string, write func(w io.Writer) error) error {
	if path == "" || path == "-" {
		return writeBuffered(a.out, write)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(writeBuffered(f, write), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	if err = writeBuffered(f, write); err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func writeBuffered(w io.Writer, write func(w io.Writer) error) error {
	out := bufio.NewWriterSize(w, 256<<10)
	if err := write(out); err != nil {
		return errors.Join(err, out.Flush())
	}
	return out.Flush()
}
