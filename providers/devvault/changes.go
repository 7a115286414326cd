package devvault

import (
	"database/sql"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// changes counts the commits that changed something: the versions of one vault, or any other table. What was computed from a table
// is still so while its count stands. The zero value is ready.
type changes struct {
	touched map[int64]bool // by the transaction under way; only the writer has to do with it

	mu     sync.Mutex
	counts map[int64]int64
}

// elsewhere stands for all tables but versions and audit, where slots count from 1.
const elsewhere = 0

// watch is told by the database of every row that is written on conn.
func (c *changes) watch(conn *sql.Conn) error {
	c.touched, c.counts = map[int64]bool{}, map[int64]int64{}
	return conn.Raw(func(driver any) error {
		driver.(sqlite.HookRegisterer).RegisterPreUpdateHook(func(d sqlite.SQLitePreUpdateData) {
			switch {
			case d.TableName == "audit": // of which no query tells
			case d.TableName != "versions":
				c.touched[elsewhere] = true
			case d.Op == sqlite3.SQLITE_DELETE:
				c.touched[d.OldRowID>>slotShift] = true
			default:
				c.touched[d.NewRowID>>slotShift] = true
			}
		})
		return nil
	})
}

// commit counts what was touched. It is called when the transaction has ended, so that who sees the count sees the rows.
func (c *changes) commit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for slot := range c.touched {
		c.counts[slot]++
	}
	clear(c.touched)
}

// state is a mark that stays the same while nothing changes in the versions of a slot nor, if that matters too, elsewhere.
func (c *changes) state(slot int64, alsoElsewhere bool) [2]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	mark := [2]int64{c.counts[slot]}
	if alsoElsewhere {
		mark[1] = c.counts[elsewhere]
	}
	return mark
}
