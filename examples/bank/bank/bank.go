// SPDX-License-Identifier: Apache-2.0

package bank

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/companion"
)

// An Account has money in cents.
type Account struct {
	Balance int    `json:"balance"`
	Last    string `json:"last"` // the latest transfer
}

// A Transfer is an event.
type Transfer struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Amount int    `json:"amount"`
}

// A Teller makes transfers; it is their producer.
type Teller struct {
	Process int `json:"process"`
	Teller  int `json:"teller"`
}

const (
	accountCount = 8
	initial      = 1000
)

var errPoor = errors.New("not enough money")

type bank struct {
	store     *companion.Store
	accounts  *companion.Records[Account]
	transfers *companion.Events[Transfer]
	rates     *companion.Records[float64]
}

func newBank(s *companion.Store) (*bank, error) {
	accounts, err1 := companion.NewRecords[Account](s, "accounts")
	transfers, err2 := companion.NewEvents[Transfer](s, "transfers")
	rates, err3 := companion.NewRecords[float64](s, "rates")
	return &bank{s, accounts, transfers, rates}, errors.Join(err1, err2, err3)
}

func name(n int) string { return fmt.Sprint("account-", n%accountCount) }

// open opens all accounts together, unless they are open.
func (b *bank) open(ctx context.Context) error {
	var changes []companion.Change
	for n := range accountCount {
		changes = append(changes, b.accounts.Change(name(n), Account{Balance: initial}).IfNew())
	}
	if _, err := b.store.Write(ctx, changes...); !errors.Is(err, backend.ErrConflict) {
		return err
	}
	return b.store.Sync(ctx)
}

// work runs tellers at once, until each has tried the given number of transfers. It counts the transfers that were
// made and the ones that were refused.
func (b *bank) work(ctx context.Context, tellers, each int) (done, refused int, err error) {
	var made, poor atomic.Int64
	failures := make([]error, tellers)
	var wg sync.WaitGroup
	for t := range tellers {
		wg.Go(func() {
			ctx := companion.WithProducer(ctx, Teller{os.Getpid(), t})
			for i := range each {
				switch err := b.transfer(ctx, Transfer{name(t + i), name(t*3 + i*5 + 1), 1 + (t*31+i*17)%700}); {
				case err == nil:
					made.Add(1)
				case errors.Is(err, errPoor):
					poor.Add(1)
				default:
					failures[t] = err
					return
				}
			}
		})
	}
	wg.Wait()
	return int(made.Load()), int(poor.Load()), errors.Join(failures...)
}

// transfer moves money from one account to another and records the event, in one write that fails if another
// transfer has changed an account since it was read. The event's ID makes it safe to write again after an error.
func (b *bank) transfer(ctx context.Context, t Transfer) error {
	if t.From == t.To {
		return nil
	}
	id := uuid.NewString()
	event := b.transfers.Event(t).WithID(id)
	for {
		from, err := b.accounts.Get(ctx, t.From)
		if err != nil {
			return err
		}
		to, err := b.accounts.Get(ctx, t.To)
		if err != nil {
			return err
		}
		if from.Value.Last == id { // an earlier try was written, although it returned an error
			return nil
		}
		if from.Value.Balance < t.Amount {
			return fmt.Errorf("%w: %s has %d, and %d are wanted", errPoor, t.From, from.Value.Balance, t.Amount)
		}
		_, err = b.store.Write(ctx,
			b.accounts.Change(t.From, Account{from.Value.Balance - t.Amount, id}).IfLatest(from.ID),
			b.accounts.Change(t.To, Account{to.Value.Balance + t.Amount, id}).IfLatest(to.ID),
			event,
		)
		switch {
		case err == nil, errors.Is(err, backend.ErrIDReused): // ErrIDReused: an earlier try was written
			return nil
		case errors.Is(err, backend.ErrConflict), errors.Is(err, backend.ErrUnavailable):
			if err := b.store.Sync(ctx); err != nil && !errors.Is(err, backend.ErrUnavailable) {
				return err
			}
		default:
			return err
		}
	}
}

// audit replays all transfers. As of each, it checks that the balances are what the transfers add up to, that no
// account was overdrawn, and that no money was lost or made. An event is the last fact of its write, so that the
// accounts as of its seq include the whole write.
func (b *bank) audit(ctx context.Context) (transfers int, err error) {
	want := map[string]int{}
	for n := range accountCount {
		want[name(n)] = initial
	}
	for event, err := range b.transfers.Since(ctx, 0) {
		if err != nil {
			return transfers, err
		}
		want[event.Value.From] -= event.Value.Amount
		want[event.Value.To] += event.Value.Amount
		if err := b.check(ctx, companion.Moment{Seq: event.Seq}, want); err != nil {
			return transfers, fmt.Errorf("after transfer %s, seq %d: %w", event.ID, event.Seq, err)
		}
		transfers++
	}
	return transfers, nil
}

// check returns an error if a balance is wrong as of a moment.
func (b *bank) check(ctx context.Context, m companion.Moment, want map[string]int) error {
	accounts, sum := 0, 0
	for account, err := range b.accounts.List(ctx, companion.Query{At: m}) {
		if err != nil {
			return err
		}
		if account.Value.Balance < 0 {
			return fmt.Errorf("%s is overdrawn: it has %d", account.Key, account.Value.Balance)
		}
		if account.Value.Balance != want[account.Key] {
			return fmt.Errorf("%s has %d, and by its transfers %d", account.Key, account.Value.Balance, want[account.Key])
		}
		accounts++
		sum += account.Value.Balance
	}
	if accounts != accountCount || sum != accountCount*initial {
		return fmt.Errorf("%d accounts have %d together, and not %d %d", accounts, sum, accountCount, accountCount*initial)
	}
	return nil
}

// statement prints the balances at the end of a day.
func (b *bank) statement(ctx context.Context, day time.Time, out io.Writer) error {
	sum := 0
	end := companion.Moment{Time: day.AddDate(0, 0, 1).Add(-1)}
	for account, err := range b.accounts.List(ctx, companion.Query{At: end, ByKey: true}) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s  %d\n", account.Key, account.Value.Balance)
		sum += account.Value.Balance
	}
	_, err := fmt.Fprintf(out, "together, at the end of %s: %d\n", day.Format(time.DateOnly), sum)
	return err
}

// correct changes a balance as of a day in the past. The log still shows what was known before.
func (b *bank) correct(ctx context.Context, out io.Writer) error {
	day := func(month time.Month) time.Time { return time.Date(2024, month, 1, 0, 0, 0, 0, time.UTC) }
	before, err := b.store.Write(ctx, b.rates.Change("savings", 2.0).ValidFrom(day(time.January)))
	if err != nil {
		return err
	}
	after, err := b.store.Write(ctx, b.rates.Change("savings", 2.5).ValidFrom(day(time.March)))
	if err != nil {
		return err
	}
	for _, known := range []struct {
		when string
		seq  uint64
	}{{"before", before[0].Seq}, {"after", after[0].Seq}} {
		rate, err := b.rates.GetAt(ctx, "savings", companion.Moment{Seq: known.seq, Valid: day(time.April)})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "the rate of April, as known %s the correction: %.1f %%\n", known.when, rate.Value)
	}
	return nil
}
