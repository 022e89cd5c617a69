/** Programs for the sockets that share a port. socket(7), SO_ATTACH_REUSEPORT_CBPF */

/**
 * struct sock_filter[]: BPF_RET | BPF_K, 1. A group is in the order in which its sockets began to listen; while there is
 * no second one, the kernel chooses as without a program.
 */
export const TO_SECOND_MEMBER = Uint8Array.of(6, 0, 0, 0, 1, 0, 0, 0);
