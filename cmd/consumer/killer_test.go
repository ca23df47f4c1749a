package main

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/topic"
)

// deadly makes the transaction that writes the timeline of one order hang: time
// enough to kill the process that has its event in hand.
const deadly = `
	CREATE FUNCTION waybill.hang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(14); RETURN NEW; END $$;
	CREATE TRIGGER hang BEFORE INSERT ON waybill.events FOR EACH ROW WHEN (NEW.stream_id = '%s') EXECUTE FUNCTION waybill.hang();`

// A record in the midst of others kills every process that has it in hand. The
// fifth is not asked any more, and the others' effects are all there, once.
func TestRun_aRecordThatKillsEveryProcessBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	const part, killer = int32(5), 2
	o := newOperated(t)
	orders := ordersOf(part, 5)
	if _, err := o.conn.Exec(t.Context(), fmt.Sprintf(deadly, orders[killer])); err != nil {
		t.Fatal(err)
	}
	o.publish(part, 0, len(orders))
	for death := 1; death <= 4; death++ {
		o.group = fmt.Sprintf("group-%d", death) // or the next one would wait for the dead one's session to end
		o.start()
		o.killInHand()
	}
	o.group = "group-5"
	o.start()
	o.stands(part, int64(len(orders)))

	rows, err := o.conn.Query(t.Context(), `SELECT class || ' ' || "offset" FROM waybill.dead_letters`)
	if err != nil {
		t.Fatal(err)
	}
	letters, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if want := fmt.Sprintf("kills_process %d", killer); err != nil || len(letters) != 1 || letters[0] != want {
		t.Errorf("dead letters = %q, %v, want %q", letters, err, want)
	}
	var applied int
	if err := o.conn.QueryRow(t.Context(), `SELECT count(*) FROM waybill.events`).Scan(&applied); err != nil || applied != len(orders)-1 {
		t.Errorf("%d events, %v, want %d", applied, err, len(orders)-1)
	}
	o.stop()
}

// killInHand kills the consumer once its transaction hangs, and the transaction.
func (o *operated) killInHand() {
	o.t.Helper()
	o.hangs(true)
	o.process.Kill()
	o.process.Wait()
	if _, err := o.conn.Exec(o.t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
		o.t.Fatal(err)
	}
	o.hangs(false)
}

// hangs waits until a transaction hangs, or none does.
func (o *operated) hangs(want bool) {
	o.t.Helper()
	clitest.Eventually(o.t, func() error {
		var hangs bool
		err := o.conn.QueryRow(o.t.Context(), `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep')`).Scan(&hangs)
		if err == nil && hangs != want {
			err = fmt.Errorf("a transaction hangs: %v, want %v", hangs, want)
		}
		return err
	})
}

// ordersOf names the first n orders that belong on a partition.
func ordersOf(partition int32, n int) []events.OrderID {
	var ids []events.OrderID
	for i := 0; len(ids) < n; i++ {
		if id := fmt.Sprintf("o-%d", i); topic.PartitionFor([]byte("demo|"+id), 12) == partition {
			ids = append(ids, events.OrderID(id))
		}
	}
	return ids
}
