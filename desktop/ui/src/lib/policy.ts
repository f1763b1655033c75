import type { GroupInfo, MemberView, Role } from './backend';

/*
 * What the window offers. It only hides what would be refused anyway: every member's engine judges for itself.
 */

const RANK: Record<Role, number> = { owner: 0, admin: 1, member: 2 };

/** Nobody removes an equal or a higher rank. */
export const mayRemove = (info: GroupInfo, member: MemberView): boolean =>
  info.active && !info.direct && !member.me && RANK[info.role] < RANK[member.role];

/** Roles are the owner's to give. */
export const maySetRole = (info: GroupInfo, member: MemberView): boolean =>
  info.active && !info.direct && !member.me && info.role === 'owner';

export const mayRename = (info: GroupInfo): boolean => info.active && !info.direct && info.role !== 'member';

/** The group's rule says who lets others in. */
export const mayAdmit = (info: GroupInfo): boolean =>
  info.active && !info.direct && (info.policy === 'members' || info.role !== 'member');

export const maySetPolicy = mayRename;
