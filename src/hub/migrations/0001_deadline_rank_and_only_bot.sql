DROP INDEX "hub"."tasks_queued";--> statement-breakpoint
DROP INDEX "hub"."tasks_held_until";--> statement-breakpoint
DROP INDEX "hub"."tasks_held_by";--> statement-breakpoint
ALTER TABLE "hub"."tasks" ADD COLUMN "rank" bigint;--> statement-breakpoint
UPDATE "hub"."tasks" SET "rank" = extract(epoch from "created_at") * 1000 - "priority"::bigint * 60000;--> statement-breakpoint
ALTER TABLE "hub"."tasks" ALTER COLUMN "rank" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "hub"."tasks" ADD COLUMN "deadline" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "hub"."tasks" ADD COLUMN "only_bot_id" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "hub"."tasks" ADD COLUMN "epoch" bigint;--> statement-breakpoint
UPDATE "hub"."tasks" t SET "epoch" = b."epoch" FROM "hub"."bots" b WHERE b."bot_id" = t."bot_id" AND t."state" IN ('OFFERED', 'LEASED', 'RUNNING');--> statement-breakpoint
ALTER TABLE "hub"."tasks" ADD COLUMN "running" boolean;--> statement-breakpoint
ALTER TABLE "hub"."tasks" ADD COLUMN "lost_bot_id" text;--> statement-breakpoint
ALTER TABLE "hub"."tasks" ADD COLUMN "lost_fence" bigint;--> statement-breakpoint
CREATE INDEX "outbox_unpublished_by_task" ON "hub"."outbox" USING btree ("task_id") WHERE published_at is null;--> statement-breakpoint
CREATE INDEX "tasks_overdue" ON "hub"."tasks" USING btree ("deadline") WHERE state = 'QUEUED' and deadline is not null;--> statement-breakpoint
CREATE INDEX "tasks_queued" ON "hub"."tasks" USING btree ("only_bot_id","digest","rank") WHERE state = 'QUEUED';--> statement-breakpoint
CREATE INDEX "tasks_held_until" ON "hub"."tasks" USING btree ("held_until") WHERE state in ('OFFERED', 'LEASED', 'RUNNING', 'SUSPECT', 'CANCELLING');--> statement-breakpoint
CREATE INDEX "tasks_held_by" ON "hub"."tasks" USING btree ("bot_id") WHERE state in ('OFFERED', 'LEASED', 'RUNNING', 'SUSPECT', 'CANCELLING');