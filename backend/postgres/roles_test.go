// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// as returns the shared server's address for another role.
func as(t testing.TB, role string) string {
	return strings.Replace(address(t), "user=postgres", "user="+role, 1)
}

// writerGrants and readerGrants are the grants in docs/backends.md.
const (
	writerGrants = `grant usage on schema igniter to ig_writer;
grant select on all tables in schema igniter to ig_writer;
grant insert on igniter.fact to ig_writer;
grant update (format, identity, origin) on igniter.log to ig_writer;
grant insert, update, delete on igniter.ancestor to ig_writer;
grant insert, update on igniter.position to ig_writer;`

	readerGrants = `grant usage on schema igniter to ig_reader;
grant select on all tables in schema igniter to ig_reader;`
)

// The role of a writer can write. Neither it nor the role of a reader can change or remove a fact.
func TestRoles(t *testing.T) {
	a := address(t)
	owner := open(t, Options{Address: a, Log: "roles"})
	defer owner.Close()
	put(t, owner, 0, 3)
	conn := connect(t, a)
	exec1(t, conn, `drop role if exists ig_writer`)
	exec1(t, conn, `drop role if exists ig_reader`)
	exec1(t, conn, `create role ig_reader login`)
	exec1(t, conn, `create role ig_writer login`)
	t.Cleanup(func() {
		for _, role := range []string{"ig_writer", "ig_reader"} {
			_, _ = conn.Exec(t.Context(), `drop owned by `+role)
		}
	})
	_, err := Open(t.Context(), Options{Address: as(t, "ig_reader"), Log: "roles"})
	require.ErrorIs(t, err, backend.ErrForbidden)
	require.ErrorContains(t, err, "grant")
	for _, sql := range []string{writerGrants, readerGrants} {
		_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		require.NoError(t, err)
	}

	writer := open(t, Options{Address: as(t, "ig_writer"), Log: "roles"})
	defer writer.Close()
	put(t, writer, 3, 3)
	_, err = writer.Prune(t.Context(), slices.Values([]uint64{1}), backend.Horizon{})
	require.ErrorIs(t, err, backend.ErrForbidden)
	own := connect(t, as(t, "ig_writer"))
	for _, sql := range []string{`delete from igniter.fact`, `update igniter.fact set body = ''`, `truncate igniter.fact`, `update igniter.log set floor_seq = 100`} {
		_, err := own.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "permission denied", sql)
	}
	_, err = Open(t.Context(), Options{Address: as(t, "ig_writer"), Log: "roles-other"})
	require.ErrorIs(t, err, backend.ErrForbidden, "the owner makes logs")

	reader := open(t, Options{Address: as(t, "ig_reader"), Log: "roles"})
	defer reader.Close()
	facts, through := read(t, reader, backend.Range{})
	require.Len(t, facts, 6)
	_, err = reader.WriteFact(t.Context(), backend.Fact{ID: "refused", Store: "s", Key: "k", Value: []byte("1")})
	require.ErrorIs(t, err, backend.ErrForbidden)
	first := true
	for p, err := range reader.Follow(t.Context(), backend.Range{After: through}) {
		require.NoError(t, err)
		if first {
			put(t, writer, 6, 1)
			first = false
		}
		if len(p.Facts) > 0 {
			require.Equal(t, "fact-6", p.Facts[0].ID)
			break
		}
	}
}

// A full disk is ErrFull, and writing goes on once there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.Address("postgres", "postgres")
	small := filepath.Join(s.Dir, "small")
	if out, err := exec.Command("sh", "-c", "mkdir "+small+" && mount -t tmpfs -o size=4m,mode=777 tmpfs "+small+" && mkdir "+small+"/t && chown --reference="+s.Dir+" "+small+"/t").CombinedOutput(); err != nil {
		t.Skipf("no small file system: %v: %s", err, out)
	}
	t.Cleanup(func() { s.Stop(3); _ = exec.Command("umount", small).Run() })
	conn := connect(t, a)
	exec1(t, conn, `create tablespace small location '`+small+`/t'`)
	l := open(t, Options{Address: a})
	defer l.Close()
	for _, sql := range []string{`alter table igniter.fact set tablespace small`, `alter index igniter.fact_pkey set tablespace small`, `alter index igniter.fact_id set tablespace small`, `alter index igniter.fact_key set tablespace small`} {
		exec1(t, conn, sql)
	}
	random := rand.NewChaCha8([32]byte{})
	acked := map[string]bool{}
	var err error
	for n := 0; err == nil; n++ {
		facts := make([]backend.Fact, 20)
		for i := range facts {
			value := make([]byte, 16<<10) // random, so that the server can't compress it
			_, _ = random.Read(value)
			facts[i] = backend.Fact{ID: fmt.Sprint(n, "-", i), Store: "s", Key: "k", Value: []byte(`"` + hex.EncodeToString(value) + `"`)}
		}
		w := l.Write(t.Context(), backend.Batch{Facts: facts})[0]
		if err = w.Err; err == nil {
			for _, f := range w.Facts {
				acked[f.ID] = true
			}
		}
	}
	require.ErrorIs(t, err, backend.ErrFull)
	facts, _ := read(t, l, backend.Range{})
	require.Len(t, facts, len(acked))
	for _, f := range facts {
		delete(acked, f.ID)
	}
	require.Empty(t, slices.Collect(maps.Keys(acked)), "an acknowledged fact is lost")
	require.NoError(t, exec.Command("mount", "-o", "remount,size=64m", small).Run())
	put(t, l, 0, 5)
	t.Logf("the disk was full after %d facts, and writing went on", len(facts))
}
