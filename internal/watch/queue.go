package watch

// A readQueue is a heap of the watches that wait for a read: first what is
// urgent, then what is due first. It implements heap.Interface.
type readQueue []*Watch

func (q readQueue) Len() int { return len(q) }
func (q readQueue) Less(i, j int) bool {
	if q[i].urgent != q[j].urgent {
		return q[i].urgent
	}
	return q[i].due < q[j].due
}
func (q readQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = int32(i), int32(j)
}

func (q *readQueue) Push(x any) {
	n := x.(*Watch)
	n.index = int32(len(*q))
	*q = append(*q, n)
}

func (q *readQueue) Pop() any {
	last := len(*q) - 1
	n := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	n.index = -1
	return n
}
