// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/igniter-store/igniter/companion"
)

// A Rent is what the flat costs a month.
type Rent struct {
	Amount int `json:"amount"`
}

// twoTimeAxes shows the difference between what was true at a time and what was known then.
func twoTimeAxes(ctx context.Context, s *companion.Store, p *printer) error {
	rents, err := companion.NewRecords[Rent](s, "rents")
	if err != nil {
		return err
	}
	day := func(m time.Month, d int) time.Time { return time.Date(2026, m, d, 0, 0, 0, 0, time.UTC) }
	flat := "flat-" + rand.Text() // a new key for each run, since the log keeps what earlier runs wrote
	before, err := s.Write(ctx, rents.Change(flat, Rent{900}).ValidFrom(day(time.January, 1)))
	if err != nil {
		return err
	}
	after, err := s.Write(ctx, rents.Change(flat, Rent{950}).ValidFrom(day(time.November, 1)))
	if err != nil {
		return err
	}

	p.section("Two time axes")
	p.text("The rent is 900 from January on. Late in November a letter says: 950 since the 1st.")
	p.text("Asked for a day (valid time), as far as was known after each fact (transaction time):")
	rows := [][]string{{"THE RENT ON", "KNOWN BEFORE THE LETTER", "KNOWN AFTER IT"}}
	for _, d := range []time.Time{day(time.October, 15), day(time.November, 15)} {
		row := []string{d.Format("2 January")}
		for _, known := range []companion.Receipt{before[0], after[0]} {
			rent, err := rents.GetAt(ctx, flat, companion.Moment{Seq: known.Seq, Valid: d})
			if err != nil {
				return err
			}
			row = append(row, fmt.Sprint(rent.Value.Amount))
		}
		rows = append(rows, row)
	}
	p.table(rows)
	return nil
}
