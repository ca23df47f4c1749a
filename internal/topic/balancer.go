package topic

import (
	"sync/atomic"

	"github.com/segmentio/kafka-go"
)

// balancer shares partitions out by ranges, and remembers how many there were:
// the broker that the group's leader asks may not know of a new topic, or of new
// partitions, and then nobody is given them.
type balancer struct {
	kafka.RangeGroupBalancer
	counts atomic.Pointer[map[string]int]
}

// AssignGroups is called on the member that leads the group.
func (b *balancer) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	counts := map[string]int{}
	for _, p := range partitions {
		counts[p.Topic]++
	}
	b.counts.Store(&counts)
	return b.RangeGroupBalancer.AssignGroups(members, partitions)
}

// shared returns how many partitions of each topic this member has shared out
// since it was asked last, or nil when another member leads.
func (b *balancer) shared() map[string]int {
	if counts := b.counts.Swap(nil); counts != nil {
		return *counts
	}
	return nil
}
